//! Where a request comes from: the connection's other end, or what a trusted proxy says of it.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use ipnet::IpNet;

use crate::config::Networks;
use crate::server::App;

/// The other end of the connection, put into each request by the listener.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Who sends, as far as an address tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    pub address: IpAddr,
    /// No rate is kept for it.
    pub exempt: bool,
}

impl Sender {
    /// What counts as one sender: an IPv4 address, or the /64 that one IPv6 host has to itself.
    pub fn block(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(_) => self.address,
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        }
    }
}

impl FromRequestParts<Arc<App>> for Sender {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        // Every request comes through a listener that says from where; without it, nobody is exempt.
        let peer = parts.extensions.get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0);
        Ok(app.limits.proxies.sender(peer, &parts.headers))
    }
}

/// Which addresses are proxies, and which no rate is kept for.
#[derive(Clone, Debug)]
pub struct Proxies {
    trusted: Networks,
    exempt: Networks,
}

impl Proxies {
    pub fn new(trusted: Networks, exempt: Networks) -> Self {
        Proxies { trusted, exempt }
    }

    /// Whether this address is a trusted proxy's, or one that no limits are kept for.
    pub fn known(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        among(&self.trusted, address) || among(&self.exempt, address)
    }

    /// Who sends: `peer` is the connection's other end.
    pub fn sender(&self, peer: IpAddr, headers: &HeaderMap) -> Sender {
        let address = self.origin(peer.to_canonical(), headers);
        Sender { address, exempt: among(&self.exempt, address) }
    }

    /// Each proxy adds the address it was reached from at the end of `X-Forwarded-For`, so the list is read from there
    /// for as long as the next one is trusted. What a sender wrote there itself comes before, and is not believed.
    fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut origin = peer;
        let lines: Vec<&str> =
            headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
        for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            if !among(&self.trusted, origin) {
                break;
            }
            let Some(address) = address(entry.trim()) else { break };
            origin = address;
        }
        origin
    }
}

fn among(networks: &Networks, address: IpAddr) -> bool {
    networks.0.iter().any(|network: &IpNet| network.contains(&address))
}

/// An address with or without a port, with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use axum::http::{HeaderMap, HeaderValue};

    use super::{Proxies, Sender};
    use crate::config::Networks;
    use crate::config::units::Setting as _;

    fn networks(text: &str) -> Networks {
        Networks::parse(text).unwrap()
    }

    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let proxies = Proxies::new(networks("127.0.0.1, 10.0.0.0/8"), networks("127.0.0.0/8, ::1"));
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
        }
        let sender = proxies.sender(peer.parse().unwrap(), &headers);
        let expected: IpAddr = expected.parse().unwrap();
        assert_eq!(sender, Sender { address: expected, exempt: expected.is_loopback() }, "{peer} {forwarded:?}");
    }

    #[test]
    fn the_address_is_the_last_one_that_no_trusted_proxy_has() {
        check("192.0.2.7", &[], "192.0.2.7");
        check("::ffff:192.0.2.7", &[], "192.0.2.7");
        check("192.0.2.7", &["203.0.113.9"], "192.0.2.7");
        check("127.0.0.1", &[], "127.0.0.1");
        check("127.0.0.1", &["203.0.113.9"], "203.0.113.9");
        check("127.0.0.1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9");
        check("127.0.0.1", &["1.1.1.1, 203.0.113.9, 10.1.2.3"], "203.0.113.9");
        check("127.0.0.1", &["1.1.1.1", "203.0.113.9", "10.1.2.3"], "203.0.113.9");
        check("127.0.0.1", &["203.0.113.9:4711"], "203.0.113.9");
        check("127.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1");
        check("127.0.0.1", &["[2001:db8::1]"], "2001:db8::1");
        check("127.0.0.1", &["unknown"], "127.0.0.1");
        check("127.0.0.1", &["203.0.113.9, nonsense"], "127.0.0.1");
        check("127.0.0.1", &["203.0.113.9, 127.0.0.1"], "203.0.113.9");
    }

    #[test]
    fn a_host_of_ipv6_is_one_sender_whatever_its_lower_half() {
        let block = |text: &str| Sender { address: text.parse().unwrap(), exempt: false }.block();
        assert_eq!(block("2001:db8:1:2:3:4:5:6"), block("2001:db8:1:2::1"));
        assert_ne!(block("2001:db8:1:2::1"), block("2001:db8:1:3::1"));
        assert_eq!(block("192.0.2.7"), "192.0.2.7".parse::<IpAddr>().unwrap());
    }
}
