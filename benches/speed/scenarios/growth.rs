//! What it costs that a database has grown, and that other work goes on in it.

mod databases;

use crate::{
    bench::Bench,
    load::Load,
    place::Database,
    programs::Program,
    report::Section,
    round::{Case, rounds},
    run::Run,
    stage::Setup,
};

/// As many as a thousand tenants need for an address each, and two doctors' worth of them.
const ADDRESSES: u32 = 2_000;
const TENANTS: u32 = 1_000;

pub(crate) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let load = Load { addresses: ADDRESSES, ..Load::usual(bench.options.messages / 2) };
    let worker = Program::Worker(bench.options.worker.clone());
    let setup = Setup::new(worker, load.clone(), bench);
    let on = |database| Run::new(Setup { database, ..setup.clone() });
    let cleaning = Run {
        afterwards: Some(databases::CLEANING_GOES_ON),
        ..on(Database::CopyOf(databases::EXPIRED))
    };
    let tenants = Setup { load: Load { tenants: TENANTS, ..load }, ..setup.clone() };
    let cases = vec![
        Case::new("empty, 1 tenant", on(Database::New)),
        Case::new("10 million keys", on(Database::Kept(databases::GROWN))),
        Case::new("expired keys are cleaned", cleaning),
        Case::new("1,000 tenants", Run::new(tenants)),
        Case::new("100,000 timers", on(Database::CopyOf(databases::TIMERS))),
    ];
    databases::prepare(&setup, &cases, bench).await?;
    let rows = rounds(bench, cases, 3, async |run, bookings| {
        Ok(run.measure(bookings, bench).await?.values())
    });
    Ok(Section {
        title: format!("Throughput as things grow: {ADDRESSES} addresses"),
        base: Some("empty, 1 tenant".to_owned()),
        rows: rows.await?,
        notes: vec![],
    })
}
