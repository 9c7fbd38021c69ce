//! What clients ask.

/// The methods that clients ask for: cheap, middling and dear, with the time limits of one, two and five seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `eth_blockNumber`
    BlockNumber,
    /// `eth_getBalance`
    GetBalance,
    /// `eth_call`
    Call,
}

/// One call of a client.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// When, in milliseconds since the start.
    pub at: u64,
    /// What is asked.
    pub method: Method,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::BlockNumber, Self::GetBalance, Self::Call];

    /// The method's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BlockNumber => "eth_blockNumber",
            Self::GetBalance => "eth_getBalance",
            Self::Call => "eth_call",
        }
    }

    /// Parameters for it, as JSON.
    pub(crate) const fn params(self) -> &'static str {
        match self {
            Self::BlockNumber => "[]",
            Self::GetBalance => r#"["0x00000000000000000000000000000000000000aa","latest"]"#,
            Self::Call => r#"[{"to":"0x00000000000000000000000000000000000000aa","data":"0x"},"latest"]"#,
        }
    }

    /// How much longer it takes than the cheapest one, unless a script says otherwise.
    pub(crate) const fn factor(self) -> f64 {
        match self {
            Self::BlockNumber => 1.0,
            Self::GetBalance => 1.3,
            Self::Call => 1.8,
        }
    }

    fn draw(rng: &mut fastrand::Rng) -> Self {
        match rng.u8(..10) {
            0..3 => Self::BlockNumber,
            3..6 => Self::GetBalance,
            _ => Self::Call,
        }
    }
}

/// Calls that come at `rate` a second on average, independent of each other and of how soon they are answered.
#[must_use]
pub fn arrivals(seed: u64, rate: u32, length: u64) -> Vec<Arrival> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut arrivals = Vec::new();
    let mut time = 0.0;
    loop {
        // The gaps of a Poisson process; from (0, 1], so that the logarithm is finite.
        time += -(1.0 - rng.f64()).ln() * 1000.0 / f64::from(rate);
        if time >= length as f64 {
            return arrivals;
        }
        arrivals.push(Arrival { at: time as u64, method: Method::draw(&mut rng) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_come_at_the_rate_and_in_order() {
        let all = arrivals(3, 50, 100_000);
        assert!((4_700..5_300).contains(&all.len()), "{}", all.len());
        assert!(all.is_sorted_by_key(|arrival| arrival.at));
        for method in Method::ALL {
            assert!(all.iter().filter(|arrival| arrival.method == method).count() > 1_000);
        }
    }
}
