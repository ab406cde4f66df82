//! The doors. Each checks size, credentials and shape, and hands what is left to the one `accept`.

pub mod body;
pub mod credentials;
pub mod metabase;
pub mod v3;
pub mod v4;
pub mod withdrawals;

use std::sync::atomic::Ordering;

use super::App;
use super::problems::ApiError;

/// Seconds after which a sender who was turned away may try again.
const LATER: u32 = 10;

/// Whether another report may be taken in.
pub fn ready(app: &App) -> Result<(), ApiError> {
    let waiting = app.waiting.load(Ordering::Relaxed);
    if waiting > app.rules.queue_limit {
        let detail = format!("{waiting} reports are waiting to be processed; please send this again later");
        return Err(ApiError::busy(detail, LATER));
    }
    Ok(())
}
