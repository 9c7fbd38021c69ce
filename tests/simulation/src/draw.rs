//! Random numbers that do not depend on who asks for them.

/// How far latencies spread: the standard deviation of their logarithm.
const SPREAD: f64 = 0.25;

/// What one request meets at one provider.
#[derive(Debug)]
pub(crate) struct Luck {
    rng: fastrand::Rng,
}

impl Luck {
    /// The luck of call `number` at a provider.
    pub(crate) fn of(seed: u64, actor: usize, number: u64) -> Self {
        // Three odd multipliers keep neighbours apart; the generator mixes its seed once more.
        let key = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ (actor as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9)
            ^ (number + 1).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mut rng = fastrand::Rng::with_seed(key);
        rng.u64(..);
        Self { rng }
    }

    /// A time around `mean`, in whole milliseconds: log-normal, with the tails cut off.
    pub(crate) fn latency(&mut self, mean: f64) -> u64 {
        // Twelve uniform numbers together are nearly normal, with variance 1 and an end to both sides.
        let normal = (0..12).map(|_| self.rng.f64()).sum::<f64>() - 6.0;
        let factor = SPREAD.mul_add(normal, -SPREAD * SPREAD / 2.0).exp();
        (mean * factor).round().max(1.0) as u64
    }

    /// Whether something with this probability happens.
    pub(crate) fn hits(&mut self, share: f64) -> bool {
        self.rng.f64() < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_lie_around_their_mean() {
        let all: Vec<u64> = (0..20_000).map(|number| Luck::of(7, 2, number).latency(100.0)).collect();
        let mean = all.iter().sum::<u64>() as f64 / all.len() as f64;
        assert!((mean - 100.0).abs() < 1.0, "{mean}");
        assert!(all.iter().min() > Some(&20) && all.iter().max() < Some(&400));
    }

    #[test]
    fn seed_provider_and_number_each_matter() {
        let draw = |seed, actor, number| Luck::of(seed, actor, number).latency(1e9);
        let all = [draw(1, 1, 1), draw(2, 1, 1), draw(1, 2, 1), draw(1, 1, 2)];
        assert!(all[1..].iter().all(|other| *other != all[0]), "{all:?}");
        assert_eq!(draw(1, 1, 1), all[0]);
    }
}
