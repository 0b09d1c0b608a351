//! Proofs for operations: gradient checks against finite differences, and cases that run an operation in every way.
//!
//! Public, so that operations outside this crate are held to the same.

mod case;
mod check;

pub use case::{Case, check_case};
pub use check::{gradcheck, gradgradcheck};

/// Tests for operations, one line each: name, function, lists of input shapes, and optionally the interval that the
/// numbers come from (`on 0.5..2.0`) and lists of shapes that must be refused.
///
/// Each line becomes a test that calls [`testing::check_case`](check_case).
///
/// # Examples
/// ```
/// # use talweg_tensor::{cases, Tensor};
/// mod tests {
///     talweg_tensor::cases! {
///         product: |x| x[0] * x[1]; shapes [[2, 3], [3]] [[4], []] on 0.5..2.0 refuses [[2], [3]];
///     }
/// }
/// ```
#[macro_export]
macro_rules! cases {
    ($(
        $name:ident: |$x:ident| $f:expr;
        shapes $([$([$($n:expr),*]),*])+
        $(on $low:literal..$high:literal)?
        $(refuses $([$([$($r:expr),*]),*])+)?;
    )*) => {$(
        #[test]
        fn $name() {
            let shapes: &[&[&[usize]]] = &[$(&[$(&[$($n),*]),*]),+];
            let refuses: &[&[&[usize]]] = &[$($(&[$(&[$($r),*]),*]),+)?];
            let mut case = $crate::testing::Case::new(stringify!($name), |$x: &[&$crate::Tensor]| $f);
            case.shapes = shapes.iter().map(|list| list.iter().map(|s| s.to_vec()).collect()).collect();
            case.refuses = refuses.iter().map(|list| list.iter().map(|s| s.to_vec()).collect()).collect();
            $(case.domain = $low..$high;)?
            $crate::testing::check_case(&case);
        }
    )*};
}
