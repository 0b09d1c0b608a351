//! The explanation as a document: sections of tables, whatever it is shown on.

/// A whole explanation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    pub(crate) title: String,
    pub(crate) sections: Vec<Section>,
}

/// A part with a heading.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Section {
    pub(crate) heading: String,
    /// Sentences and formulas before the tables.
    pub(crate) text: Vec<String>,
    pub(crate) tables: Vec<Table>,
}

/// Rows of cells; the last column of a row may be as long as it likes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    pub(crate) caption: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Document {
    /// The explanation for a terminal.
    pub(crate) fn to_text(&self) -> String {
        let mut out = format!("{}\n{}\n", self.title, "=".repeat(self.title.chars().count()));
        for section in &self.sections {
            out += &format!("\n{}\n{}\n", section.heading, "-".repeat(section.heading.chars().count()));
            section.text.iter().for_each(|line| out += &format!("{line}\n"));
            section.tables.iter().for_each(|table| table.write(&mut out));
        }
        out
    }
}

impl Table {
    fn write(&self, out: &mut String) {
        if !self.caption.is_empty() {
            *out += &format!("\n  {}\n", self.caption);
        }
        let all = || std::iter::once(&self.columns).chain(&self.rows);
        let width =
            |c: usize| all().filter_map(|row| row.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        for row in all().filter(|row| row.iter().any(|cell| !cell.is_empty())) {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            *out += &format!("    {}\n", cells.join("  ").trim_end());
        }
    }
}

/// A number in at most about nine characters: six decimals, or a power of ten where those would say nothing.
pub(crate) fn number(x: f64) -> String {
    if x == 0.0 {
        return "0".into();
    }
    if x.fract() == 0.0 && x.abs() < 1e6 {
        return format!("{x:.0}");
    }
    if !(1e-3..1e6).contains(&x.abs()) { format!("{x:.3e}") } else { format!("{x:.6}") }
}

/// The same in brackets where a minus would meet another sign.
pub(crate) fn factor(x: f64) -> String {
    if x < 0.0 { format!("({})", number(x)) } else { number(x) }
}

/// A sum of products with the numbers put in; long ones show their first terms.
pub(crate) fn sum_of_products(pairs: &[(f64, f64)]) -> String {
    const SHOWN: usize = 8;
    let mut terms: Vec<String> =
        pairs.iter().take(SHOWN).map(|&(a, b)| format!("{}·{}", factor(a), factor(b))).collect();
    if pairs.len() > SHOWN {
        terms.push(format!("… {} more", pairs.len() - SHOWN));
    }
    if terms.is_empty() { "0".into() } else { terms.join(" + ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_true() {
        for (x, text) in
            [(0.0, "0"), (2.0, "2"), (-0.25, "-0.250000"), (1.5e-7, "1.500e-7"), (1234.5, "1234.500000")]
        {
            assert_eq!(number(x), text);
        }
        assert_eq!(sum_of_products(&[(0.5, -1.0), (2.0, 3.0)]), "0.500000·(-1) + 2·3");
        assert!(sum_of_products(&[(1.0, 1.0); 10]).ends_with("… 2 more"));
    }
}
