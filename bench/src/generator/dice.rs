//! Chance from a seed: SplitMix64, so that a seed gives the same reports with every version of every library.

/// A stream of pseudo-random numbers.
pub struct Dice(u64);

impl Dice {
    /// A stream of its own for each pair of seed and number.
    pub fn new(seed: u64, number: u64) -> Self {
        Dice(mixed(seed ^ mixed(number.wrapping_add(0x632b_e59b_d9b4_e019))))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u64) as usize]
    }

    pub fn word(&mut self, list: &[&'static str]) -> &'static str {
        list[self.below(list.len() as u64) as usize]
    }

    /// A place in a list of `length`, the first places far more often than the last.
    pub fn skewed(&mut self, length: usize) -> usize {
        let share = self.share();
        ((share * share * share) * length as f64) as usize
    }

    /// Between 0 and 1, 1 left out.
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normally distributed around 0 with deviation 1.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }
}

fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
