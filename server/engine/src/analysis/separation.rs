//! How well groups of features are separated, without a map.

fn squared_distance(one: &[f32], other: &[f32]) -> f64 {
    one.iter().zip(other).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

/// The mean silhouette of rows by their group, from −1 to 1: how much nearer a row is to its own group than to the nearest
/// other one (Rousseeuw 1987). A group of one row counts as 0.
pub(super) fn silhouette(rows: &[Vec<f32>], groups: &[usize]) -> f64 {
    let count = groups.iter().max().map_or(0, |most| most + 1);
    let of_row = |(i, row): (usize, &Vec<f32>)| {
        let mut sums = vec![(0.0, 0usize); count];
        for (j, other) in rows.iter().enumerate().filter(|(j, _)| *j != i) {
            let (sum, n) = &mut sums[groups[j]];
            *sum += squared_distance(row, other).sqrt();
            *n += 1;
        }
        let mean = |(sum, n): &(f64, usize)| sum / *n as f64;
        let own = &sums[groups[i]];
        let others = sums.iter().enumerate().filter(|(group, (_, n))| *group != groups[i] && *n > 0);
        let nearest = others.map(|(_, sum)| mean(sum)).fold(f64::INFINITY, f64::min);
        if own.1 == 0 || nearest.is_infinite() {
            return 0.0;
        }
        let own = mean(own);
        // Rows that all coincide are neither near nor far.
        if own.max(nearest) == 0.0 { 0.0 } else { (nearest - own) / own.max(nearest) }
    };
    rows.iter().enumerate().map(of_row).sum::<f64>() / rows.len().max(1) as f64
}

/// How many of some rows have most of their `k` nearest among `known` in the group `own`.
pub(super) fn among_own(rows: &[Vec<f32>], known: &[Vec<f32>], groups: &[usize], own: usize, k: usize) -> usize {
    let is_among = |row: &&Vec<f32>| {
        let mut order: Vec<(f64, usize)> =
            known.iter().zip(groups).map(|(other, group)| (squared_distance(row, other), *group)).collect();
        // Of equally near ones those that were given first count.
        order.sort_by(|a, b| a.0.total_cmp(&b.0));
        2 * order.iter().take(k).filter(|(_, group)| *group == own).count() > k
    };
    rows.iter().filter(is_among).count()
}

/// The distance between the means of two groups of rows.
pub(super) fn centroid_distance(one: &[Vec<f32>], other: &[Vec<f32>]) -> f64 {
    let mean = |rows: &[Vec<f32>]| {
        let mut sum = vec![0f64; rows.first().map_or(0, Vec::len)];
        for row in rows {
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += f64::from(*value);
            }
        }
        sum.into_iter().map(|sum| sum / rows.len().max(1) as f64).collect::<Vec<f64>>()
    };
    mean(one).iter().zip(mean(other)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[f32]) -> Vec<Vec<f32>> {
        values.iter().map(|v| vec![*v]).collect()
    }

    #[test]
    fn the_silhouette_of_two_pairs_is_that_by_hand() {
        // 0 and 1 against 10 and 11: of the outer ones (10.5 − 1)/10.5, of the inner ones (9.5 − 1)/9.5.
        let found = silhouette(&line(&[0.0, 1.0, 10.0, 11.0]), &[0, 0, 1, 1]);
        let expected = f64::midpoint(9.5 / 10.5, 8.5 / 9.5);
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        assert!(silhouette(&line(&[0.0, 10.0, 1.0, 11.0]), &[0, 0, 1, 1]) < 0.0);
        assert_eq!(silhouette(&line(&[3.0; 4]), &[0, 0, 1, 1]), 0.0);
    }

    #[test]
    fn a_row_is_among_its_own_if_most_of_its_neighbours_are() {
        let known = line(&[0.0, 1.0, 2.0, 10.0, 11.0, 12.0]);
        let groups = [0, 0, 0, 1, 1, 1];
        assert_eq!(among_own(&line(&[0.5, 3.0, 9.0]), &known, &groups, 0, 3), 2);
        // Half of them are not most.
        assert_eq!(among_own(&line(&[6.0]), &known, &groups, 0, 2), 0);
    }

    #[test]
    fn centroids_are_as_far_apart_as_their_means() {
        let (one, other) = (vec![vec![0.0, 0.0], vec![2.0, 0.0]], vec![vec![4.0, 4.0]]);
        assert!((centroid_distance(&one, &other) - 5.0).abs() < 1e-9);
    }
}
