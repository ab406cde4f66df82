//! Why reports are not passes.
