//! The search language: words, phrases, `field:value`, ranges, and `AND`, `OR`, `NOT`.
