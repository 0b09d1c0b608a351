//! The nearest of several names, for messages about a name that does not exist.

/// The name that differs least from `wanted`, if it is near enough to be a slip of the pen: at most a third of its
/// letters put in, left out or changed.
pub(crate) fn nearest<'a>(wanted: &str, names: &[&'a str]) -> Option<&'a str> {
    let (distance, best) =
        names.iter().map(|name| (distance(wanted, name), *name)).min_by_key(|pair| pair.0)?;
    (distance * 3 <= wanted.chars().count().max(3)).then_some(best)
}

/// How many letters must be put in, left out or changed to make `b` of `a` (Levenshtein, 1966).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_by_hand() {
        for (a, b, want) in
            [("", "", 0), ("abc", "", 3), ("", "ab", 2), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(distance(a, b), want, "{a} and {b}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["0.weight", "0.bias", "12.running_mean"];
        assert_eq!(nearest("0.wieght", &names), Some("0.weight"));
        assert_eq!(nearest("1.bias", &names), Some("0.bias"));
        assert_eq!(nearest("encoder.attention", &names), None);
        assert_eq!(nearest("0.weight", &[]), None);
    }
}
