//! Shapes and parameter counts against numbers from PyTorch.

use crate::config::Config;
use crate::config::shapes::shapes;

/// The shapes after each layer and the parameter counts.
fn walk(layers: &str, input: &[usize]) -> (Vec<Vec<usize>>, Vec<u64>) {
    let text = format!("[data]\nsource = \"idx\"\npath = \"x\"\n[model]\nlayers = {layers}\n");
    let config = Config::parse("a.toml", &text, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    let shaped = shapes(&config.model, input, Some(10)).unwrap_or_else(|misfit| panic!("{misfit:?}"));
    (
        shaped.iter().map(|layer| layer.output.clone()).collect(),
        shaped.iter().map(|layer| layer.parameters).collect(),
    )
}

#[test]
fn a_convolution_network_agrees_with_pytorch() {
    // torch.nn: Conv2d(3, 16, 5, stride=2, padding=1), BatchNorm2d(16), Conv2d(16, 32, (3, 5), padding=(0, 2),
    // dilation=(2, 1), groups=4, bias=False), MaxPool2d(3, stride=2, padding=1), AvgPool2d((2, 3)), Flatten(),
    // LayerNorm(288), Linear(288, 10, bias=False) on an input of shape [2, 3, 31, 37].
    let layers = r#"[
        { conv2d = 16, kernel = 5, stride = 2, padding = 1 },
        "batch_norm2d",
        { conv2d = 32, kernel = [3, 5], padding = [0, 2], dilation = [2, 1], groups = 4, bias = false },
        { max_pool2d = 3, stride = 2, padding = 1 },
        { avg_pool2d = [2, 3] },
        "flatten",
        "layer_norm",
        { linear = "classes", bias = false },
    ]"#;
    let (outputs, parameters) = walk(layers, &[3, 31, 37]);
    assert_eq!(
        outputs,
        [
            vec![16, 15, 18],
            vec![16, 15, 18],
            vec![32, 11, 18],
            vec![32, 6, 9],
            vec![32, 3, 3],
            vec![288],
            vec![288],
            vec![10],
        ]
    );
    assert_eq!(parameters, [1216, 32, 1920, 0, 0, 0, 576, 2880]);
}

#[test]
fn padding_same_keeps_the_size() {
    for (kernel, dilation) in [("3", "1"), ("[5, 1]", "1"), ("3", "3"), ("7", "[1, 2]"), ("2", "2")] {
        let layers = format!(
            "[{{ conv2d = 4, kernel = {kernel}, dilation = {dilation}, padding = \"same\" }}, \"flatten\", \
             {{ linear = \"classes\" }}]"
        );
        assert_eq!(walk(&layers, &[2, 9, 11]).0[0], [4, 9, 11], "{layers}");
    }
}

#[test]
fn layers_that_change_no_shape() {
    let layers = r#"["batch_norm1d", { batch_norm1d = { affine = false } }, "relu", { dropout = 0.1 }, "dropout",
        "gelu", { layer_norm = { eps = 1e-3 } }, { linear = 10 }]"#;
    let (outputs, parameters) = walk(layers, &[7]);
    assert!(outputs[..7].iter().all(|shape| *shape == [7]));
    assert_eq!(parameters, [14, 0, 0, 0, 0, 0, 14, 80]);
}
