//! Proofs for operations: gradient checks against finite differences, and cases that run an operation in every way.
//!
//! Public, so that operations outside this crate are held to the same.

mod case;
mod check;
mod proof;

pub(crate) use check::coordinates;

pub use case::{Case, check_case};
pub use check::{
    CheckOptions, gradcheck, gradcheck_with, gradgradcheck, gradgradcheck_with, jvp_check, jvp_check_with,
};
pub use proof::{Proof, Property};

/// Tests for operations, one line each: name, function, lists of input shapes, and optionally the interval that the
/// numbers come from (`on 0.5..2.0`), lists of shapes that must be refused, and what is not proven, with the reason
/// (`without Second "the first derivative is constant"`, by the names of
/// [`testing::Property`](crate::testing::Property)).
///
/// Each line becomes a test that calls [`testing::check_case`](check_case).
///
/// # Examples
/// ```
/// # use talweg_tensor::{cases, Tensor};
/// mod tests {
///     talweg_tensor::cases! {
///         product: |x| x[0] * x[1]; shapes [[2, 3], [3]] [[4], []] on 0.5..2.0 refuses [[2], [3]];
///         sign: |x| x[0].sign(); shapes [[3]] without Second "the first derivative is 0";
///     }
/// }
/// ```
#[macro_export]
macro_rules! cases {
    ($(
        $name:ident: |$x:ident| $f:expr;
        shapes $([$([$($n:expr),*]),*])+
        $(on $low:literal..$high:literal)?
        $(refuses $([$([$($r:expr),*]),*])+)?
        $(without $property:ident $reason:literal)*;
    )*) => {$(
        #[test]
        fn $name() {
            let shapes: &[&[&[usize]]] = &[$(&[$(&[$($n),*]),*]),+];
            let refuses: &[&[&[usize]]] = &[$($(&[$(&[$($r),*]),*]),+)?];
            let mut case = $crate::testing::Case::new(stringify!($name), |$x: &[&$crate::Tensor]| $f);
            case.shapes = shapes.iter().map(|list| list.iter().map(|s| s.to_vec()).collect()).collect();
            case.refuses = refuses.iter().map(|list| list.iter().map(|s| s.to_vec()).collect()).collect();
            $(case.domain = $low..$high;)?
            $(case = case.without($crate::testing::Property::$property, $reason);)*
            $crate::testing::check_case(&case);
        }
    )*};
}
