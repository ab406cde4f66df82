//! Tables for people: aligned columns, colours where the terminal takes them, plain rows in a pipe.

use std::io::IsTerminal;

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, presets};
use schemas::grade::{Counts, Grade};

use super::printing;

/// What a cell's colour tells. The text tells it too: colour is never the only sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    Plain,
    Good,
    Bad,
    Odd,
    Faint,
}

impl Ink {
    pub fn of(grade: Grade) -> Ink {
        match grade {
            Grade::Pass => Ink::Good,
            Grade::Fail => Ink::Bad,
            Grade::Na => Ink::Faint,
            Grade::Unknown => Ink::Odd,
        }
    }

    /// The colour of the worst grade in a cell.
    pub fn of_counts(counts: Counts) -> Ink {
        match counts {
            Counts { fail: 1.., .. } => Ink::Bad,
            Counts { unknown: 1.., .. } => Ink::Odd,
            Counts { pass: 1.., .. } => Ink::Good,
            _ => Ink::Faint,
        }
    }
}

/// Rows under a header. Columns named after a grade hold counts.
pub struct Table {
    table: comfy_table::Table,
    coloured: bool,
}

impl Table {
    pub fn new(header: &[&str]) -> Table {
        Table::with_header(header.iter().map(|name| (*name).to_owned()))
    }

    /// A table whose columns are known only from the answer.
    pub fn with_header(header: impl IntoIterator<Item = String>) -> Table {
        let coloured = printing::coloured();
        let mut table = comfy_table::Table::new();
        table.load_preset(presets::NOTHING);
        if std::io::stdout().is_terminal() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        } else {
            // A row is a line for grep, cut and awk.
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
        match coloured {
            true => table.enforce_styling(),
            false => table.force_no_tty(),
        };
        let names: Vec<String> = header.into_iter().collect();
        table.set_header(names.iter().map(|name| {
            let cell = Cell::new(printing::one_line(name));
            if coloured { cell.add_attribute(Attribute::Bold) } else { cell }
        }));
        for (column, name) in table.column_iter_mut().zip(&names) {
            column.set_padding((0, 2));
            if name.parse::<Grade>().is_ok() {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Table { table, coloured }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.inked(cells.into_iter().map(|text| (text, Ink::Plain)));
    }

    pub fn inked(&mut self, cells: impl IntoIterator<Item = (String, Ink)>) {
        let coloured = self.coloured;
        self.table.add_row(cells.into_iter().map(|(text, ink)| {
            let cell = Cell::new(printing::one_line(&text));
            match color(ink) {
                Some(color) if coloured => cell.fg(color),
                _ => cell,
            }
        }));
    }

    pub fn print_unless_empty(&self) -> anyhow::Result<()> {
        match self.table.row_count() {
            0 => Ok(()),
            _ => self.print(),
        }
    }

    pub fn print(&self) -> anyhow::Result<()> {
        let text: String = self.table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        printing::print(format!("{text}\n").as_bytes())
    }
}

/// Names with their values, one a line, above a table.
#[derive(Default)]
pub struct Facts(Vec<(String, String, Ink)>);

impl Facts {
    /// An absent value has no line.
    pub fn add(&mut self, name: &str, value: impl Into<Option<String>>) {
        self.0.extend(value.into().map(|value| (name.to_owned(), value, Ink::Plain)));
    }

    pub fn inked(&mut self, name: &str, value: String, ink: Ink) {
        self.0.push((name.to_owned(), value, ink));
    }

    pub fn print(&self) -> anyhow::Result<()> {
        let width = self.0.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or_default();
        for (name, value, ink) in &self.0 {
            let value = painted(&printing::one_line(value), *ink);
            printing::line(&format!("{:width$}  {value}", printing::one_line(name)))?;
        }
        printing::line("")
    }
}

/// Text in its colour, where stdout takes colours (ECMA-48 SGR).
fn painted(text: &str, ink: Ink) -> String {
    let code = match ink {
        Ink::Plain => return text.to_owned(),
        Ink::Good => 32,
        Ink::Bad => 31,
        Ink::Odd => 33,
        Ink::Faint => 90,
    };
    match printing::coloured() {
        true => format!("\x1b[{code}m{text}\x1b[0m"),
        false => text.to_owned(),
    }
}

fn color(ink: Ink) -> Option<Color> {
    match ink {
        Ink::Plain => None,
        Ink::Good => Some(Color::Green),
        Ink::Bad => Some(Color::Red),
        Ink::Odd => Some(Color::Yellow),
        Ink::Faint => Some(Color::DarkGrey),
    }
}

/// The four counts, each in a cell of its own.
pub fn counts(counts: Counts) -> [(String, Ink); 4] {
    Grade::ALL.map(|grade| match counts.of(grade) {
        0 => ("0".to_owned(), Ink::Faint),
        count => (count.to_string(), Ink::of(grade)),
    })
}

/// The counts in one cell: `12P 3F`; nothing when there are none.
pub fn brief(counts: Counts) -> String {
    let letters = [(Grade::Pass, 'P'), (Grade::Fail, 'F'), (Grade::Na, 'N'), (Grade::Unknown, 'U')];
    let words = letters.into_iter().filter(|(grade, _)| counts.of(*grade) != 0);
    words.map(|(grade, letter)| format!("{}{letter}", counts.of(grade))).collect::<Vec<_>>().join(" ")
}
