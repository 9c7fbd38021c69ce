//! The containers that are open at one point of a JSON text, one bit each.

/// What encloses a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Array,
    Object,
}

/// A stack of [`Container`]s.
///
/// One bit per level keeps the worst message, nothing but opening brackets, at an eighth of its own size, and
/// depths up to 64, which is all that honest traffic needs, off the heap.
#[derive(Clone, Debug, Default)]
pub(super) struct Nesting {
    depth: usize,
    /// The innermost levels, the lowest bit being the innermost one; a set bit is an object.
    word: u64,
    /// Full words further out.
    outer: Vec<u64>,
}

impl Nesting {
    /// How many containers are open.
    #[inline]
    pub(super) const fn depth(&self) -> usize {
        self.depth
    }

    #[inline]
    pub(super) fn push(&mut self, container: Container) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(std::mem::take(&mut self.word));
        }
        self.word = self.word << 1 | u64::from(container == Container::Object);
        self.depth += 1;
    }

    /// Closes the innermost container. Does nothing when none is open.
    #[inline]
    pub(super) fn pop(&mut self) {
        self.word >>= 1;
        self.depth = self.depth.saturating_sub(1);
        if self.depth.is_multiple_of(64)
            && let Some(word) = self.outer.pop()
        {
            self.word = word;
        }
    }

    /// The innermost open container.
    #[inline]
    pub(super) const fn innermost(&self) -> Option<Container> {
        match (self.depth, self.word & 1) {
            (0, _) => None,
            (_, 0) => Some(Container::Array),
            _ => Some(Container::Object),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_is_a_stack_at_any_depth(steps in proptest::collection::vec(0_u8..5, 0..600)) {
            let mut nesting = Nesting::default();
            let mut model = Vec::new();
            for step in steps {
                match step {
                    0 | 1 => { nesting.push(Container::Array); model.push(Container::Array); }
                    2 | 3 => { nesting.push(Container::Object); model.push(Container::Object); }
                    _ => { nesting.pop(); model.pop(); }
                }
                prop_assert_eq!(nesting.depth(), model.len());
                prop_assert_eq!(nesting.innermost(), model.last().copied());
            }
            while let Some(expected) = model.pop() {
                prop_assert_eq!(nesting.innermost(), Some(expected));
                nesting.pop();
            }
            prop_assert_eq!(nesting.innermost(), None);
        }
    }
}
