//! Values that templates hand over by reference.

/// A value, or references to it, however many: askama passes what stands in a loop or a match as `&&T`.
pub(crate) trait Held<T> {
    fn value(&self) -> T;
}

impl<T, H: Held<T>> Held<T> for &H {
    fn value(&self) -> T {
        (*self).value()
    }
}

/// Makes each type hold itself; one implementation for all types would clash with the one for references.
macro_rules! hold_themselves {
    ($($kind:ty),*) => {
        $(impl Held<$kind> for $kind {
            fn value(&self) -> $kind {
                *self
            }
        })*
    };
}

hold_themselves!(
    i64,
    schemas::grade::Counts,
    schemas::grade::Grade,
    schemas::reason::Code,
    schemas::reason::Phase,
    chrono::DateTime<chrono::Utc>
);

/// A length or place as a count.
impl Held<i64> for usize {
    fn value(&self) -> i64 {
        i64::try_from(*self).unwrap_or(i64::MAX)
    }
}
