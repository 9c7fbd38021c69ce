// The overview: the picture of chains and providers, and the window with what is known of the selected one.

export function mount() {
  return { unmount() {} };
}
