//! The doors. Each checks size, credentials and shape, and hands what is left to the one `accept`.

pub mod body;
pub mod credentials;
pub mod metabase;
pub mod packed;
pub mod v3;
pub mod v4;
pub mod withdrawals;
