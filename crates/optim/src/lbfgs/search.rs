//! The line search: a length that satisfies the strong Wolfe conditions.

use talweg_tensor::Tensor;

/// The least share of the fall that the slope promises.
const C1: f64 = 1e-4;
/// The largest share of the slope that may be left.
const C2: f64 = 0.9;

/// A point on the line.
#[derive(Clone, Debug)]
pub(super) struct Point {
    /// How far along the direction.
    pub(super) at: f64,
    /// The loss there.
    pub(super) value: f64,
    /// Its derivative along the direction.
    pub(super) slope: f64,
    /// Its gradient.
    pub(super) g: Tensor,
}

/// One search.
pub(super) struct Search {
    /// The largest element of the direction.
    pub(super) reach: f64,
    /// How much the largest element must still move within the bracket.
    pub(super) tolerance: f64,
    /// How many evaluations there may be, besides the first.
    pub(super) most: u64,
}

/// An interval that contains a good point; `low` has the smaller loss. Which end is the left one is not fixed.
struct Bracket {
    low: Point,
    high: Point,
}

impl Search {
    /// Searches from `from` along its direction, first at the length `first`. Gives the point found, and how often the
    /// loss was evaluated.
    pub(super) fn run(
        &self,
        from: Point,
        first: f64,
        evaluate: &mut dyn FnMut(f64) -> Point,
    ) -> (Point, u64) {
        let mut before = from.clone();
        let mut now = evaluate(first);
        let (mut steps, mut evaluations) = (0, 1);
        // Outward, until there is a bracket.
        let bracket = loop {
            if steps >= self.most {
                break Bracket::new(from.clone(), now);
            }
            if enough(&from, &now) || (steps > 1 && now.value >= before.value) {
                break Bracket::new(before, now);
            }
            if flat(&from, &now) {
                return (now, evaluations);
            }
            if now.slope >= 0.0 {
                break Bracket::new(before, now);
            }
            let (least, most) = (now.at + 0.01 * (now.at - before.at), now.at * 10.0);
            let next = cubic(&before, &now, Some((least, most)));
            before = std::mem::replace(&mut now, evaluate(next));
            (steps, evaluations) = (steps + 1, evaluations + 1);
        };
        self.zoom(&from, bracket, steps, evaluations, evaluate)
    }

    /// Inward.
    fn zoom(
        &self,
        from: &Point,
        mut bracket: Bracket,
        mut steps: u64,
        mut evaluations: u64,
        evaluate: &mut dyn FnMut(f64) -> Point,
    ) -> (Point, u64) {
        let mut slow = false;
        while steps < self.most {
            let (left, right) = bracket.ends();
            let width = right.at - left.at;
            if width * self.reach < self.tolerance {
                break;
            }
            let mut next = cubic(left, right, None);
            let margin = 0.1 * width;
            if (right.at - next).min(next - left.at) < margin {
                // Twice near an end in a row, or beyond it: a tenth of the width away from it instead.
                if slow || next >= right.at || next <= left.at {
                    let near_right = (next - right.at).abs() < (next - left.at).abs();
                    next = if near_right { right.at - margin } else { left.at + margin };
                    slow = false;
                } else {
                    slow = true;
                }
            } else {
                slow = false;
            }
            let point = evaluate(next);
            (steps, evaluations) = (steps + 1, evaluations + 1);
            if enough(from, &point) || point.value >= bracket.low.value {
                let low = bracket.low;
                bracket = Bracket::new(low, point);
            } else {
                let done = flat(from, &point);
                if !done && point.slope * (bracket.high.at - bracket.low.at) >= 0.0 {
                    bracket.high = bracket.low;
                }
                bracket.low = point;
                if done {
                    break;
                }
            }
        }
        (bracket.low, evaluations)
    }
}

impl Bracket {
    fn new(a: Point, b: Point) -> Bracket {
        if a.value <= b.value { Bracket { low: a, high: b } } else { Bracket { low: b, high: a } }
    }

    /// The left and the right end.
    fn ends(&self) -> (&Point, &Point) {
        if self.low.at <= self.high.at { (&self.low, &self.high) } else { (&self.high, &self.low) }
    }
}

/// Whether a point lies too high: beyond where the loss has fallen enough.
fn enough(from: &Point, point: &Point) -> bool {
    point.value > from.value + C1 * point.at * from.slope
}

/// Whether the slope has become flat enough.
fn flat(from: &Point, point: &Point) -> bool {
    point.slope.abs() <= -C2 * from.slope
}

/// The minimum of the cubic through two points with their slopes, within bounds; the middle of the bounds if the cubic
/// has none.
fn cubic(a: &Point, b: &Point, bounds: Option<(f64, f64)>) -> f64 {
    let (left, right) = if a.at <= b.at { (a, b) } else { (b, a) };
    let (least, most) = bounds.unwrap_or((left.at, right.at));
    let d1 = a.slope + b.slope - 3.0 * (a.value - b.value) / (a.at - b.at);
    let square = d1 * d1 - a.slope * b.slope;
    // Not a number, too, has no root: a loss that overflowed.
    if square.is_nan() || square < 0.0 {
        return (least + most) / 2.0;
    }
    let d2 = square.sqrt();
    let part = (right.slope + d2 - d1) / (right.slope - left.slope + 2.0 * d2);
    (right.at - (right.at - left.at) * part).max(least).min(most)
}
