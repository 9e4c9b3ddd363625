//! How throughput goes with the settings that bound what is done at once.

use crate::{
    bench::Bench,
    load::Load,
    programs::Program,
    report::Section,
    round::{Case, rounds},
    run::Run,
    stage::Setup,
};

/// What is tried if `--curve` says nothing else.
const CURVES: [&str; 2] =
    ["broker.prefetch=64,128,256,512,1000,2000", "database.pool_size=2,4,8,16"];

pub(crate) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let load = Load::usual(bench.options.messages / 2);
    let worker = Program::Worker(bench.options.worker.clone());
    let setup = Setup::new(worker, load, bench);
    let mut cases = vec![Case::new("as set", Run::new(setup.clone()))];
    let chosen = &bench.options.curves;
    let curves = CURVES.map(str::to_owned).into_iter().filter(|_| chosen.is_empty());
    for curve in curves.chain(chosen.iter().cloned()) {
        let (setting, values) = curve.split_once('=').unwrap_or((&curve, ""));
        for value in values.split(',') {
            let mut setup = setup.clone();
            setup.settings.push(format!("{setting}={value}"));
            cases.push(Case::new(format!("{setting} = {value}"), Run::new(setup)));
        }
    }
    let rows = rounds(bench, cases, 1, async |run, bookings| {
        Ok(run.measure(bookings, bench).await?.values())
    });
    Ok(Section {
        title: format!("Throughput by setting; as set: prefetch {}", bench.options.prefetch),
        base: Some("as set".to_owned()),
        rows: rows.await?,
        notes: vec![],
    })
}
