//! Sums of products by letters.

use crate::op::check;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// An axis: a letter, or one of those that the dots stand for, counted from the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Dots(usize),
    Letter(char),
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Label::Dots(_) => f.write_str("the dots"),
            Label::Letter(letter) => write!(f, "{letter}"),
        }
    }
}

/// What an equation says of its operands and of the result.
struct Equation {
    operands: Vec<Vec<Label>>,
    result: Vec<Label>,
}

/// The labels of one operand with so many axes, `None` where the number does not fit.
fn labels(text: &str, rank: Option<usize>, dots: usize) -> Result<Vec<Label>, String> {
    let (before, after) = match text.split_once("...") {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    };
    let letters = |part: &str| -> Result<Vec<Label>, String> {
        part.chars()
            .map(|c| match c.is_ascii_alphabetic() {
                true => Ok(Label::Letter(c)),
                false => Err(format!("{c:?} is no letter; write axes as letters, and dots as ...")),
            })
            .collect()
    };
    let (mut all, last) = (letters(before)?, letters(after.unwrap_or(""))?);
    let named = all.len() + last.len();
    let hidden = match (after.is_some(), rank) {
        (true, None) => dots,
        (true, Some(rank)) => rank.checked_sub(named).ok_or_else(|| {
            format!("{text:?} names {named} axes of a tensor with {rank}; name as many as there are")
        })?,
        (false, Some(rank)) if rank != named => {
            return Err(format!(
                "{text:?} names {named} axes of a tensor with {rank}; name as many as there are"
            ));
        }
        (false, _) => 0,
    };
    all.extend((0..hidden).rev().map(Label::Dots));
    all.extend(last);
    Ok(all)
}

impl Equation {
    fn parse(text: &str, xs: &[&Tensor]) -> Result<Equation, String> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (inputs, output) = match text.split_once("->") {
            Some((inputs, output)) => (inputs, Some(output)),
            None => (text.as_str(), None),
        };
        let parts: Vec<&str> = inputs.split(',').collect();
        if parts.len() != xs.len() {
            return Err(format!(
                "it has {} parts for {} tensors; separate one for each by commas",
                parts.len(),
                xs.len()
            ));
        }
        let operands: Vec<Vec<Label>> = parts
            .iter()
            .zip(xs)
            .map(|(part, x)| labels(part, Some(x.rank()), 0))
            .collect::<Result<_, _>>()?;
        let everywhere = || operands.iter().flatten().copied();
        let dots = everywhere()
            .filter_map(|l| if let Label::Dots(i) = l { Some(i + 1) } else { None })
            .max()
            .unwrap_or(0);
        let result = match output {
            Some(output) => labels(output, None, dots)?,
            None => {
                // The dots, then the letters that stand there once, in the order of the alphabet.
                let mut once: Vec<Label> = everywhere()
                    .filter(|l| matches!(l, Label::Letter(_)) && everywhere().filter(|m| m == l).count() == 1)
                    .collect();
                once.sort();
                (0..dots).rev().map(Label::Dots).chain(once).collect()
            }
        };
        for (i, label) in result.iter().enumerate() {
            if result[..i].contains(label) {
                return Err(format!("the result has {label} twice; each letter may stand there once"));
            }
            if !everywhere().any(|l| l == *label) {
                return Err(format!(
                    "the result has {label}, which no tensor has; use letters of the inputs"
                ));
            }
        }
        Ok(Equation { operands, result })
    }
}

/// A tensor and the labels of its axes.
struct Labelled {
    x: Tensor,
    labels: Vec<Label>,
}

impl Labelled {
    /// Without repeated labels: only the elements where their places are equal.
    fn diagonals(mut self) -> Labelled {
        while let Some((a, b)) = (0..self.labels.len())
            .flat_map(|b| (0..b).map(move |a| (a, b)))
            .find(|&(a, b)| self.labels[a] == self.labels[b])
        {
            let label = self.labels[a];
            self.x = self.x.diagonal(0, [a as isize, b as isize]);
            self.labels.remove(b);
            self.labels.remove(a);
            self.labels.push(label);
        }
        self
    }

    /// Summed over the labels that nobody needs any more.
    fn summed(mut self, needed: impl Fn(Label) -> bool) -> Labelled {
        let gone: Vec<isize> =
            (0..self.labels.len()).filter(|&i| !needed(self.labels[i])).map(|i| i as isize).collect();
        if !gone.is_empty() {
            self.x = self.x.sum(gone.as_slice());
            self.labels.retain(|&l| needed(l));
        }
        self
    }

    /// With its axes in this order, those that it lacks with size 1.
    fn arranged(&self, order: &[Label]) -> Tensor {
        let places: Vec<usize> =
            order.iter().filter_map(|label| self.labels.iter().position(|l| l == label)).collect();
        let present = self.x.permute(places);
        let mut sizes = present.shape().to_vec().into_iter();
        let sizes: Vec<usize> = order
            .iter()
            .map(|l| if self.labels.contains(l) { sizes.next().unwrap_or(1) } else { 1 })
            .collect();
        present.reshape(sizes)
    }

    fn size(&self, label: Label) -> usize {
        self.labels.iter().position(|l| *l == label).map_or(1, |i| self.x.size(i as isize))
    }

    /// The product with another one, summed over what both have and nobody needs.
    fn contracted(self, other: Labelled, needed: impl Fn(Label) -> bool) -> Labelled {
        let theirs = |l: &Label| other.labels.contains(l);
        let (left, right) =
            (|l: &Label| needed(*l) || theirs(l), |l: &Label| needed(*l) || self.labels.contains(l));
        let keep: Vec<Label> = self.labels.iter().copied().filter(left).collect();
        let (a, labels) = (self.labels.clone(), other.labels.clone());
        let first = Labelled { x: self.x.clone(), labels: self.labels.clone() }.summed(|l| keep.contains(&l));
        let stay: Vec<Label> = labels.iter().copied().filter(right).collect();
        let second = other.summed(|l| stay.contains(&l));
        let both: Vec<Label> = a.iter().copied().filter(|l| stay.contains(l) && keep.contains(l)).collect();
        // A size of 1 beside a greater one is repeated, and so belongs to one side only.
        let batch: Vec<Label> = both.iter().copied().filter(|l| needed(*l)).collect();
        let inner: Vec<Label> = both.iter().copied().filter(|l| !needed(*l)).collect();
        let rows: Vec<Label> = keep.iter().copied().filter(|l| !both.contains(l)).collect();
        let columns: Vec<Label> = stay.iter().copied().filter(|l| !both.contains(l)).collect();
        let size =
            |list: &[Label], of: &dyn Fn(Label) -> usize| list.iter().map(|l| of(*l)).product::<usize>();
        let shared =
            |l: Label| first.size(l).max(second.size(l)) * usize::from(first.size(l) * second.size(l) > 0);
        let whole = |x: &Labelled, list: &[Label]| {
            let sizes: Vec<usize> =
                list.iter().map(|l| if both.contains(l) { shared(*l) } else { x.size(*l) }).collect();
            x.arranged(list).broadcast_to(sizes)
        };
        let (m, k, n) =
            (size(&rows, &|l| first.size(l)), size(&inner, &shared), size(&columns, &|l| second.size(l)));
        let count = size(&batch, &shared);
        let x = whole(&first, &[&batch[..], &rows, &inner].concat()).reshape([count, m, k]);
        let y = whole(&second, &[&batch[..], &inner, &columns].concat()).reshape([count, k, n]);
        let sizes: Vec<usize> = batch
            .iter()
            .map(|l| shared(*l))
            .chain(rows.iter().map(|l| first.size(*l)))
            .chain(columns.iter().map(|l| second.size(*l)))
            .collect();
        Labelled { x: x.matmul(&y).reshape(Shape::new(&sizes)), labels: [batch, rows, columns].concat() }
    }
}

impl Tensor {
    /// The sum of products that an equation of letters describes: `"ij,jk->ik"` is the product of matrices,
    /// `y[i, k] = Σ a[i, j] b[j, k]`. A letter that the result lacks is summed over, one that stands twice in a part takes the
    /// diagonal, `...` stands for the axes that are not named, and without `->` the result has the letters that stand once, in
    /// the order of the alphabet. Pairs are contracted from left to right by matrix products.
    ///
    /// # Shapes
    /// As the equation says; one letter has one size, or 1, which is repeated.
    ///
    /// # Gradient
    /// For each tensor the sum of products of `dy` and all other tensors, over the letters that it lacks.
    ///
    /// # Panics
    /// When the equation does not fit the tensors, or they are not floating-point of one type.
    ///
    /// # Examples
    /// ```
    /// # use talweg_tensor::Tensor;
    /// let a = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(Tensor::einsum("ii->", &[&a]).item(), 5.0);
    /// assert_eq!(Tensor::einsum("ij,j", &[&a, &Tensor::from([10.0f32, 100.0])]).to_vec::<f32>(), [210.0, 430.0]);
    /// ```
    #[track_caller]
    pub fn einsum(equation: &str, xs: &[&Tensor]) -> Tensor {
        let shapes = || check::shapes(&xs.iter().map(|x| x.spec()).collect::<Vec<_>>());
        let Equation { operands, result } = match Equation::parse(equation, xs) {
            Ok(equation) => equation,
            Err(why) => panic!("einsum: {equation:?} with {}: {why}", shapes()),
        };
        let specs: Vec<_> = xs.iter().map(|x| x.spec()).collect();
        check::accept(check::float("einsum", &specs[0]).and_then(|()| check::alike("einsum", &specs)));
        let mut sizes: Vec<(Label, usize)> = Vec::new();
        for (x, labels) in xs.iter().zip(&operands) {
            for (i, &label) in labels.iter().enumerate() {
                let size = x.size(i as isize);
                match sizes.iter_mut().find(|(l, _)| *l == label) {
                    None => sizes.push((label, size)),
                    Some((_, known)) if *known == size || size == 1 => {}
                    Some((_, known)) if *known == 1 => *known = size,
                    Some((_, known)) => {
                        panic!(
                            "einsum: {equation:?} with {}: {label:?} has the sizes {known} and {size}; they must be equal or 1",
                            shapes()
                        )
                    }
                }
            }
        }
        let mut rest = xs
            .iter()
            .zip(&operands)
            .map(|(x, labels)| Labelled { x: (*x).clone(), labels: labels.clone() }.diagonals());
        let mut product = rest.next().expect("an equation has at least one part");
        let others: Vec<Labelled> = rest.collect();
        let mut ahead: Vec<Vec<Label>> = others.iter().map(|o| o.labels.clone()).collect();
        for other in others {
            ahead.remove(0);
            product =
                product.contracted(other, |l| result.contains(&l) || ahead.iter().flatten().any(|m| *m == l));
        }
        product = product.summed(|l| result.contains(&l));
        product.arranged(&result)
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Rng, Tensor};

    crate::cases! {
        einsum: |x| Tensor::einsum("ij,jk->ik", x); shapes [[2, 3], [3, 4]] [[0, 3], [3, 4]] [[2, 0], [0, 2]] [[2, 1], [3, 4]]
            refuses [[2, 3], [2, 4]] [[2], [3, 4]];
        einsum_of_dots: |x| Tensor::einsum("b...i,...ij->...bj", x); shapes [[2, 3, 2], [3, 2, 2]] [[2, 3], [3, 1]];
        einsum_of_diagonals: |x| Tensor::einsum("iij,jk", x); shapes [[2, 2, 3], [3, 2]];
        einsum_of_three: |x| Tensor::einsum("i,ij,j->", x); shapes [[2], [2, 3], [3]];
        einsum_outer: |x| Tensor::einsum("i,j->ji", x); shapes [[2], [3]];
        einsum_of_one: |x| Tensor::einsum("ijk->kj", x); shapes [[2, 3, 4]];
    }

    #[test]
    fn it_is_the_sum_over_all_letters() {
        let rng = &mut Rng::seed(3);
        let (a, b, c) = (
            rng.normal([2, 3, 4], 0.0, 1.0, DType::F64),
            rng.normal([4, 5, 2], 0.0, 1.0, DType::F64),
            rng.normal([5, 3], 0.0, 1.0, DType::F64),
        );
        let y = Tensor::einsum("ijk, kli, lj -> il", &[&a, &b, &c]);
        let (p, q, r) = (a.to_vec::<f64>(), b.to_vec::<f64>(), c.to_vec::<f64>());
        for (at, got) in y.to_vec::<f64>().iter().enumerate() {
            let (i, l) = (at / 5, at % 5);
            let want: f64 = (0..12)
                .map(|jk| (jk / 4, jk % 4))
                .map(|(j, k)| p[(i * 3 + j) * 4 + k] * q[(k * 5 + l) * 2 + i] * r[l * 3 + j])
                .sum();
            assert!((got - want).abs() < 1e-12, "{i} {l}: {got} {want}");
        }
    }

    #[test]
    #[should_panic(
        expected = "einsum: \"ij,jk\" with [2, 3]: it has 2 parts for 1 tensors; separate one for each by commas"
    )]
    fn too_few_tensors() {
        Tensor::einsum("ij,jk", &[&Tensor::ones([2, 3], DType::F32)]);
    }
}
