//! Who else wants to know.

use super::Report;

/// Is told of every call that is over, on the thread that ends it: it has to be quick and must not wait.
///
/// Every item of a batch is a call of its own here. Dry runs are not heard of.
pub trait Observer: Send + Sync + 'static {
    /// The call has its outcome. A large result may still be streaming.
    fn finished(&self, report: &Report<'_>);

    /// The future of the call was dropped: its client is gone. Nothing happens by default.
    fn cancelled(&self, report: &Report<'_>) {
        let _ = report;
    }
}
