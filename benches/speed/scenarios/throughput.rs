//! How many notifications a second, and what 10,000 of them cost.

use std::time::Duration;

use crate::{
    bench::Bench,
    load::{BODY_BYTES, Load},
    programs::Program,
    report::Section,
    round::{Case, available, rounds},
    run::Run,
    stage::Setup,
};

/// How late the API answers while caches are cold.
const API_LATENCY: Duration = Duration::from_millis(20);

/// The default of `tenants.limits.requests_in_flight`.
const REQUESTS_IN_FLIGHT: f64 = 16.0;

pub(crate) async fn run(bench: &Bench) -> anyhow::Result<Section> {
    let cases = cases(bench).into_iter().filter(|case| bench.wants(&case.name)).collect();
    let (cases, mut notes) = available(cases, Run::program).await?;
    if cases.iter().any(|case| case.run.setup.api_latency.is_some()) {
        let bound = REQUESTS_IN_FLIGHT / API_LATENCY.as_secs_f64();
        notes.push(format!(
            "cold cache: each notification asks the API for an address that nobody knows, and is answered after \
             {API_LATENCY:?}; {REQUESTS_IN_FLIGHT} requests at once can be {bound:.0}/s at most"
        ));
    }
    let rows = rounds(bench, cases, 3, async |run, bookings| {
        Ok(run.measure(bookings, bench).await?.values())
    });
    Ok(Section {
        title: format!(
            "Throughput: prefetch {}, bodies of {BODY_BYTES} bytes, quorum queues",
            bench.options.prefetch
        ),
        base: Some("forwarder".to_owned()),
        rows: rows.await?,
        notes,
    })
}

fn cases(bench: &Bench) -> Vec<Case<Run>> {
    let messages = bench.options.messages;
    let usual = Load::usual(messages);
    let mut cases = Vec::new();
    for processes in [1, 2] {
        let mut programs = vec![("forwarder", Program::Forwarder)];
        programs.extend(bench.workers());
        cases.extend(programs.into_iter().map(|(name, program)| {
            let run = Run::new(Setup::new(program, usual.clone(), bench));
            Case::new(processes_of(name, processes), Run { processes, ..run })
        }));
    }
    for (name, program) in bench.workers() {
        let load = Load { duplicate_every: Some(5), ..usual.clone() };
        let run = Run::new(Setup::new(program.clone(), load, bench));
        cases.push(Case::new(format!("{name}, 20 % duplicates"), run));
        let setup = Setup::new(program, cold(messages), bench);
        let run = Run::new(Setup { api_latency: Some(API_LATENCY), ..setup });
        cases.push(Case::new(format!("{name}, cold cache"), run));
    }
    // Fewer where they are slow, so that each runs for about as long.
    for (name, share) in [("node", 2), ("faststream", 6)] {
        let setup = Setup::new(Program::Peer(name), Load::usual(messages / share), bench);
        cases.push(Case::new(name, Run::new(setup)));
    }
    cases
}

fn processes_of(name: &str, processes: usize) -> String {
    if processes == 1 { name.to_owned() } else { format!("{name}, {processes} processes") }
}

/// Each notification has an address, and each address a doctor, of its own.
fn cold(messages: u32) -> Load {
    let messages = messages / 10;
    Load { addresses: messages, addresses_of_a_doctor: 1, ..Load::usual(messages) }
}
