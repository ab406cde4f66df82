//! Report texts of CPAN-Reporter, CPANPLUS and cpanm-reporter, cut into what they say.
//!
//! A text is read in two depths. The row of a report needs only the figures of its test suite and, where it is not a
//! pass, why: one walk over the lines ([`suite`]). Its page needs the rest: where the sections lie ([`sections()`]), and
//! what stands in them ([`prerequisites`], [`context`], [`configuration`]).

pub(crate) mod configuration;
pub(crate) mod context;
pub(crate) mod encoding;
pub(crate) mod lines;
pub(crate) mod prerequisites;
pub(crate) mod sections;
pub(crate) mod suite;
pub(crate) mod table;

pub use encoding::decoded;
pub use sections::sections;
