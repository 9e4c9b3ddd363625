//! What is made of many numbers.

/// The middle one; of two in the middle their mean. `None` of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    let is_odd = sorted.len() % 2 == 1;
    Some(if is_odd { upper } else { f64::midpoint(sorted[middle - 1], upper) })
}

/// The smallest value that `per_mille` of all values do not exceed.
pub(crate) fn percentile(values: &[f64], per_mille: usize) -> Option<f64> {
    let sorted = sorted(values);
    let rank = (sorted.len() * per_mille).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied()
}

pub(crate) fn min(values: &[f64]) -> Option<f64> {
    sorted(values).first().copied()
}

pub(crate) fn max(values: &[f64]) -> Option<f64> {
    sorted(values).last().copied()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Where a curve through these points, which go up in both, is at `y`.
pub(crate) fn x_at(points: &[(f64, f64)], y: f64) -> Option<f64> {
    let above = points.iter().position(|(_, reached)| *reached >= y)?;
    let (right, top) = points[above];
    let Some((left, bottom)) = above.checked_sub(1).map(|below| points[below]) else {
        return Some(right);
    };
    let share = if top > bottom { (y - bottom) / (top - bottom) } else { 1.0 };
    Some(left + share * (right - left))
}
