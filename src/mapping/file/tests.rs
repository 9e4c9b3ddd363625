//! What is read and written, beside what the commands' golden files show.

use proptest::prelude::*;

use super::*;
use crate::mapping::Kind;

/// An identifier as people invent them: anything but control characters, and no space at the ends.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,8}",
        "[A-Za-z0-9_./-]{1,20}",
        "[ -~ąężß\u{a0}€语]{1,20}",
        "[\",;'\\[{\u{feff} ]{1,6}",
    ]
    .prop_map(|id| id.trim().to_owned())
    .prop_filter("an identifier is not empty", |id| !id.is_empty())
}

fn row() -> impl Strategy<Value = Row> {
    (0..4usize, id(), id(), id(), any::<Option<bool>>()).prop_map(
        |(kind, address_id, docplanner_id, partner_id, online)| {
            let kind = Kind::ALL[kind];
            let of_service = kind == Kind::Service;
            let address_id = if of_service { address_id } else { String::new() };
            let online = online.filter(|_| of_service);
            Row { kind, address_id, docplanner_id, partner_id, online }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(rows in prop::collection::vec(row(), 0..20)) {
        let mapping = Mapping::new(rows);
        for format in [Format::Csv, Format::Json] {
            let written = format.write(mapping.rows()).unwrap();
            prop_assert_eq!(Format::of("-", &written), format);
            prop_assert_eq!(format.parse(&written), Ok(mapping.clone()));
        }
    }

    #[test]
    fn no_file_makes_it_panic(content in prop::collection::vec(any::<u8>(), 0..200)) {
        for format in [Format::Csv, Format::Json] {
            let _ = format.parse(&content);
            let with_header = [&b"kind,address_id,docplanner_id,partner_id,online\n"[..], &content];
            let _ = format.parse(&with_header.concat());
        }
    }
}

const HEADER: &str = "kind,address_id,docplanner_id,partner_id,online";

fn spots(content: &str) -> Vec<String> {
    let problems = Format::Csv.parse(content.as_bytes()).unwrap_err();
    problems.0.iter().map(|problem| problem.spot.to_string()).collect()
}

#[test]
fn lines_are_counted_as_an_editor_does_whatever_ends_them() {
    for end in ["\n", "\r\n", "\r"] {
        let content = [HEADER, "wrong,,1,2,", "", "", "doctor,,1,2,", "wrong,,1,2,"].join(end);
        assert_eq!(spots(&content), ["line 2", "line 6"], "{end:?}");
        let content = ["", "", HEADER, ",,,,", "wrong,,1,2,"].join(end);
        assert_eq!(spots(&content), ["line 5"], "{end:?}");
        let content = [HEADER, "doctor,,\"1", "2\",2,", "wrong,,1,2,"].join(end);
        assert_eq!(spots(&content), ["line 2", "line 4"], "{end:?}");
    }
}

#[test]
fn what_programs_add_to_a_file_changes_nothing() {
    let expected = Mapping::new(vec![Row {
        kind: Kind::Service,
        address_id: "123".into(),
        docplanner_id: "112233".into(),
        partner_id: "visit, first".into(),
        online: Some(false),
    }]);
    for content in [
        "kind,address_id,docplanner_id,partner_id,online\nservice,123,112233,\"visit, first\",false\n",
        "\u{feff}kind,address_id,docplanner_id,partner_id,online\r\nservice,123,112233,\"visit, first\",FALSE\r\n",
        "kind;address_id;docplanner_id;partner_id;online\nservice;123;112233;visit, first;False\n;;;;\n",
        "online, partner_id, docplanner_id, address_id, kind\n\n false ,\" visit, first\t\", 112233\u{a0},123,service",
        "[{\"kind\":\"service\",\"address_id\":123,\"docplanner_id\":112233,\"partner_id\":\" visit, first\",\"online\":false}]",
        "\u{feff} [{\"kind\":\"service\",\"address_id\":\"123\",\"docplanner_id\":\"112233\",\"partner_id\":\"visit, first\",\"online\":\"false\"}]",
    ] {
        let format = Format::of("-", content.as_bytes());
        assert_eq!(format.parse(content.as_bytes()), Ok(expected.clone()), "{content}");
    }
}
