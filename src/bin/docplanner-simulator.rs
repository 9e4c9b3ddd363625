//! docplanner-simulator
fn main() {}
