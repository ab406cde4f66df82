//! A short run over every target, and the harness itself: it finds what it is for.

use std::sync::Mutex;

use fuzz::run::{Options, attempt, run};
use fuzz::targets::{TARGETS, Target};

/// Memory is counted for the whole process, so that one target is tried at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn no_parser_panics_takes_a_second_or_holds_much_memory() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for target in TARGETS {
        let options = Options { inputs: 1_500, seed: 7, longest: 16 * 1024 };
        let figures = run(target, &options);
        let told: Vec<String> =
            figures.faults.iter().map(|fault| format!("{}: {}", fault.what, fault.input.escape_ascii())).collect();
        assert!(told.is_empty(), "{}: {}", target.name, told.join("\n"));
        assert_eq!(figures.inputs, options.inputs);
        assert!(figures.answers > 3, "{} gives {} answers: its seeds reach nothing", target.name, figures.answers);
    }
}

fn with(read: fn(&[u8]) -> String) -> Target {
    Target {
        name: "planted",
        about: "",
        seeds: || vec![b"a seed with the number 17".to_vec()],
        words: &["bad"],
        json: false,
        read,
    }
}

#[test]
fn a_planted_fault_of_each_kind_is_found() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let panics = with(|bytes| {
        assert!(!bytes.windows(3).any(|part| part == b"bad"), "it is bad");
        String::new()
    });
    let options = Options { inputs: 5_000, seed: 1, longest: 1024 };
    let found = run(&panics, &options).faults;
    assert!(found.iter().all(|fault| fault.what == "panic: it is bad") && !found.is_empty(), "{found:?}");

    let slow = with(|_| {
        let began = cpu_time::ThreadTime::now();
        while began.elapsed() <= fuzz::run::SLOW {}
        String::new()
    });
    assert!(attempt(&slow, b"x").fault(1).unwrap().starts_with("slow: "));
    let large = with(|bytes| vec![1_u8; bytes.len() + (80 << 20)].len().to_string());
    assert!(attempt(&large, b"x").fault(1).unwrap().starts_with("large: "));
}

#[test]
fn a_run_is_the_same_again_for_the_same_seed() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let target = TARGETS.iter().find(|target| target.name == "query").unwrap();
    let figures = |seed| {
        let figures = run(target, &Options { inputs: 2_000, seed, longest: 2048 });
        (figures.found, figures.answers)
    };
    assert_eq!(figures(3), figures(3));
    assert_ne!(figures(3), figures(4));
}
