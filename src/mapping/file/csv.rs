//! Mappings as CSV. Commas or semicolons, which Excel writes in much of Europe; any line ends; empty
//! lines say nothing.

use std::borrow::Cow;

use csv::{ByteRecord, ReaderBuilder, StringRecord, WriterBuilder};

use super::{Column, Problem, Problems, Row, Spot, check, names, unknown_name};
use crate::mapping::Mapping;

const NOT_UTF8: &str = "is not UTF-8; save the file as UTF-8";

pub(super) fn parse(content: &[u8]) -> Result<Mapping, Problems> {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter(content))
        .has_headers(false)
        .flexible(true)
        .from_reader(content);
    let mut lines = Lines { content, at: 0, line: 1 };
    let mut checked = check::Checked::default();
    let mut header = None;
    let mut record = ByteRecord::new();
    // Reading from memory, with any number of cells in any encoding, cannot fail.
    while reader.read_byte_record(&mut record).unwrap_or(false) {
        let begins = record.position().map_or(0, csv::Position::byte);
        let spot = Spot::Line(lines.of(usize::try_from(begins).unwrap_or(usize::MAX)));
        let Ok(record) = StringRecord::from_byte_record(record.clone()) else {
            checked.problem(Problem::new(spot, NOT_UTF8));
            if header.is_none() {
                break;
            }
            continue;
        };
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        match &header {
            None => header = Some(Header::read(&record, spot, &mut checked)?),
            Some(header) => header.row(&record, spot, &mut checked),
        }
    }
    if header.is_none() {
        let empty = format!("has no header; the first line has to be {}", names().replace(' ', ""));
        checked.problem(Problem::of_file(empty));
    }
    checked.finish()
}

pub(super) fn write(rows: &[Row]) -> anyhow::Result<Vec<u8>> {
    let mut writer = WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(Column::ALL.map(Column::name))?;
    for row in rows {
        writer.serialize(row)?;
    }
    Ok(writer.into_inner()?)
}

/// By the first line that is not empty.
fn delimiter(content: &[u8]) -> u8 {
    let mut lines = content.split(|byte| matches!(byte, b'\n' | b'\r'));
    let header = lines.find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    if header.contains(&b';') && !header.contains(&b',') { b';' } else { b',' }
}

/// Which column stands where.
struct Header {
    /// In the order of [`Column::ALL`].
    places: [usize; 5],
    width: usize,
}

impl Header {
    /// Without all columns no row can be read; other problems of a header are told with the rows'.
    fn read(
        record: &StringRecord,
        spot: Spot,
        checked: &mut check::Checked,
    ) -> Result<Self, Problems> {
        let mut found = [None; 5];
        for (place, name) in record.iter().map(str::trim).enumerate() {
            let nth = place + 1;
            match Column::from_name(name) {
                None => {
                    let why = format!("column {nth} has an unknown name; {}", unknown_name(name));
                    checked.problem(Problem::new(spot, why));
                }
                Some(column) if found[column as usize].is_some() => {
                    let why = format!("column {nth} has the name of another one");
                    checked.problem(Problem::in_column(spot, column, why));
                }
                Some(column) => found[column as usize] = Some(place),
            }
        }
        if let [Some(kind), Some(address_id), Some(docplanner_id), Some(partner_id), Some(online)] =
            found
        {
            let places = [kind, address_id, docplanner_id, partner_id, online];
            return Ok(Self { places, width: record.len() });
        }
        for (column, _) in Column::ALL.into_iter().zip(found).filter(|(_, place)| place.is_none()) {
            let why = format!("this column is missing; the header is {}", names().replace(' ', ""));
            checked.problem(Problem::in_column(spot, column, why));
        }
        Err(std::mem::take(checked).finish().err().unwrap_or_else(|| Problems(Vec::new())))
    }

    fn row(&self, record: &StringRecord, spot: Spot, checked: &mut check::Checked) {
        if record.len() == self.width {
            let values = self.places.map(|place| Cow::Borrowed(record.get(place).unwrap_or("")));
            checked.take(&check::Cells { spot, values });
        } else {
            let (has, width) = (record.len(), self.width);
            let spans_lines = record.iter().any(|cell| cell.contains(['\n', '\r']));
            let hint = if spans_lines { "; is a quotation mark not closed?" } else { "" };
            let why = format!("has {has} cells, but the header has {width}{hint}");
            checked.problem(Problem::new(spot, why));
        }
    }
}

/// Counts lines as a text editor does. The reader tells where a record begins only with the empty
/// lines before it.
struct Lines<'f> {
    content: &'f [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line of the first record at or after a byte. Bytes only grow from one call to the next.
    fn of(&mut self, byte: usize) -> usize {
        let rest = self.content.get(byte..).unwrap_or_default();
        let empty = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        while self.at < byte + empty {
            let two = self.content.get(self.at..self.at + 2);
            self.line += usize::from(match self.content[self.at] {
                b'\n' => true,
                b'\r' => two != Some(b"\r\n"),
                _ => false,
            });
            self.at += 1;
        }
        self.line
    }
}
