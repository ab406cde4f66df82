//! Networks as settings: which addresses are meant.

use std::net::IpAddr;

use ipnet::IpNet;

use super::units::Setting;

/// Any number of networks; none in empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<IpNet>);

impl Setting for Networks {
    /// `10.0.0.0/8`, `2001:db8::/32`, or single addresses, with commas between them.
    fn parse(text: &str) -> Result<Self, String> {
        let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        texts.map(network).collect::<Result<_, _>>().map(Networks)
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(single).ok_or_else(|| {
        format!("expected addresses or networks such as 10.0.0.0/8, with commas between them, not {text:?}")
    })
}
