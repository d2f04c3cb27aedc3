//! What files of other tools say, and what is said of files that are wrong.

use std::io::Write as _;

use schism_history::{Format, History, ReadError, Reading, Value, read};

fn read_bytes(bytes: &[u8], format: Format) -> Result<Reading, ReadError> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("the bytes");
    read(file.path(), format)
}

fn history(text: &str) -> History {
    read_bytes(text.as_bytes(), Format::Auto).unwrap_or_else(|error| panic!("{error}")).history
}

/// The history without its times: what is compared in most tests.
fn words(history: &History) -> String {
    let text = history.to_text();
    let untimed =
        |line: &str| line.split_once(' ').map_or("", |(_, rest)| rest.trim_end()).to_owned();
    text.lines().map(untimed).collect::<Vec<_>>().join("\n")
}

fn check(text: &str, expected: &str) {
    let expected: Vec<&str> =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(words(&history(text)), expected.join("\n"), "{text}");
}

#[test]
fn maps_may_stand_in_a_vector_or_by_themselves() {
    let expected = "p0 invoke write _ 1\n p0 ok 1";
    let (invoke, ok) = (
        "{:type :invoke, :f :write, :value 1, :process 0}",
        "{:type :ok, :f :write, :value 1, :process 0}",
    );
    check(&format!("[{invoke}\n {ok}]"), expected);
    check(&format!("({invoke} ; one\n #_{{:a 1}} {ok} #_ #_ 1 2 )\n; end"), expected);
    check(&format!("{invoke}{ok}"), expected);
    check(&format!("; a comment\n\n{invoke},\n{ok}"), expected);
    check(&format!("#jepsen.history.Op{invoke} #jepsen.history.Op {ok}"), expected);
    check(&format!("[#jepsen.history.Op{invoke}\n#jepsen.history.Op{ok}]"), expected);
    check("{:type\n:invoke\n:f :write :value 1 :process\n0}{:type :ok :process 0}", expected);
    let json = "{\"type\":\"invoke\",\"f\":\"write\",\"value\":1,\"process\":0}";
    let done = "{\"type\":\"ok\",\"f\":\"write\",\"process\":0,\"value\":1}";
    check(&format!("[{json},{done}]"), expected);
    check(&format!("{json}\n{done}\n"), expected);
    check(&format!("\u{feff}{json}\n{done}\n"), expected);
}

#[test]
fn values_of_every_shape() {
    let check = |edn: &str, expected: &str| {
        let text = format!("{{:type :invoke, :process 0, :f :f, :value {edn}}}");
        assert_eq!(history(&text).operation(0).op.value.to_string(), expected, "{edn}");
    };
    check("nil", "_");
    check("-12", "-12");
    check("+12", "12");
    check("9223372036854775807", "9223372036854775807");
    check("-9223372036854775808", "-9223372036854775808");
    check("9223372036854775808", "\"9223372036854775808\"");
    check("12N", "12");
    check("1.50", "\"1.50\"");
    check("1/3", "\"1/3\"");
    check("0x1F", "\"0x1F\"");
    check("017", "\"017\"");
    check("##NaN", "\"##NaN\"");
    check("true", "true");
    check(":a/b", "\"a/b\"");
    check("some.symbol", "\"some.symbol\"");
    check("\\a", "\"a\"");
    check("\\]", "\"]\"");
    check("\\newline", "\"\\n\"");
    check("\\u00fc", "\"ü\"");
    check("\"a\\n\\\"b\\\" \\u00fc\"", "\"a\\n\\\"b\\\" ü\"");
    check("#{1 2}", "[1 2]");
    check("(1 [2 #_3 4])", "[1 [2 4]]");
    check("{:a 1, 2 {}}", "{\"a\" 1, 2 {}}");
    check("#inst \"2026-01-01\"", "\"2026-01-01\"");
    check("#object[a.b 0x1f \"c\"]", "[\"a.b\" \"0x1f\" \"c\"]");
    let check = |json: &str, expected: &str| {
        let text = format!("{{\"type\":\"invoke\",\"process\":0,\"f\":\"f\",\"value\":{json}}}");
        assert_eq!(history(&text).operation(0).op.value.to_string(), expected, "{json}");
    };
    check("null", "_");
    check("-1.5e3", "\"-1.5e3\"");
    check("18446744073709551615", "\"18446744073709551615\"");
    check("{\"1\": [true, false], \"x\": {}}", "{1 [true false], \"x\" {}}");
    check("\"\\ud83d\\ude00\\/\"", "\"😀/\"");
}

#[test]
fn micro_operations_in_all_their_shapes() {
    check(
        "[{:type :invoke :process 0 :f :txn :value [[:r :x nil] [:append 3 1] [:w \"y\" 2]]}
          {:type :ok :process 0 :f :txn :value [[:r :x [1 2]] [:append 3 1] [:w \"y\" 2]]}
          {:type :invoke :process 0 :f :txn :value [[:read :x nil] [:write :y 2]]}
          {:type :ok :process 0 :f :txn :value []}
          {:type :invoke :process 0 :f :txn :value []}]",
        "p0 invoke txn [r x _, append 3 1, w y 2]
         p0 ok [r x [1 2], append 3 1, w y 2]
         p0 invoke txn [r x _, w y 2]
         p0 ok []
         p0 invoke txn []",
    );
    let kafka = "p0 invoke poll _ [poll \"\" _, send 0 7]
         p0 ok [poll 0 [12 7 13 8], poll 1 [], send 0 [14 7]]
         p0 invoke poll _ [poll \"\" _]
         p0 ok [poll \"\" []]
         p0 invoke assign _ [0 1]
         p0 ok [0 1]";
    check(
        "{:type :invoke :process 0 :f :poll :value [[:poll] [:send 0 7]]}
         {:type :ok :process 0 :f :poll :value [[:poll {0 [[12 7] [13 8]], 1 []}] [:send 0 [14 7]]]}
         {:type :invoke :process 0 :f :poll :value [[:poll]]}
         {:type :ok :process 0 :f :poll :value [[:poll {}]]}
         {:type :invoke :process 0 :f :assign :value [0 1]}
         {:type :ok :process 0 :f :assign :value [0 1]}",
        kafka,
    );
    let line = |kind: &str, f: &str, value: &str| {
        format!("{{\"type\":\"{kind}\",\"process\":0,\"f\":\"{f}\",\"value\":{value}}}\n")
    };
    let lines = [
        line("invoke", "poll", "[[\"poll\"],[\"send\",0,7]]"),
        line("ok", "poll", "[[\"poll\",{\"0\":[[12,7],[13,8]],\"1\":[]}],[\"send\",0,[14,7]]]"),
        line("invoke", "poll", "[[\"poll\"]]"),
        line("ok", "poll", "[[\"poll\",{}]]"),
        line("invoke", "assign", "[0,1]"),
        line("ok", "assign", "[0,1]"),
    ];
    check(&lines.concat(), kafka);
    // A function that is not named is a transaction where the value is one.
    check(
        "{\"type\":\"invoke\",\"process\":0,\"value\":[[\"r\",1,null]]}",
        "p0 invoke txn [r 1 _]",
    );
}

#[test]
fn processes_that_are_no_clients_are_passed_over() {
    check(
        "[{:type :invoke :process :nemesis :f :start :value {:a 1} :index 3}
          {:type :invoke :process 0 :f :read :index 4}
          {:type :info :process :nemesis :f :start :value nil :index 5}
          {:type :ok :process 0 :f :read :value nil :index 6}]",
        "p0 invoke read _\n p0 ok _",
    );
}

#[test]
fn one_process_goes_on_after_an_info_under_another_number() {
    check(
        "[{:type :invoke :process 0 :f :read}
          {:type :info :process 0 :f :read :error [:timeout \"no answer\"]}
          {:type :invoke :process 0 :f :read}
          {:type :info :process 0 :f :read :error {:a 1}}
          {:type :invoke :process 7 :f :read}
          {:type :invoke :process 0 :f :read}
          {:type :ok :process 0 :f :read :value 3}]",
        "p0 invoke read _
         p0 info timeout no answer
         p8 invoke read _
         p8 info other \"{\\\"a\\\" 1}\"
         p7 invoke read _
         p9 invoke read _
         p9 ok 3",
    );
}

#[test]
fn events_without_a_process_are_one_session() {
    check(
        "[{:type :invoke :f :read} {:type :ok :f :read :value 1}
          {:type :invoke :process 4 :f :read} {:type :invoke :f :read :process nil}]",
        "p5 invoke read _\n p5 ok 1\n p4 invoke read _\n p5 invoke read _",
    );
}

#[test]
fn the_argument_stands_where_nothing_is_returned() {
    check(
        "[{:type :invoke :process 0 :f :write :value 1} {:type :ok :process 0 :f :write}
          {:type :invoke :process 0 :f :cas :value [1 2]} {:type :ok :process 0 :value nil}
          {:type :invoke :process 0 :f :read :value 4} {:type :ok :process 0 :f :read :value nil}
          {:type :invoke :process 0 :f :txn :value [[:w 1 2]]} {:type :ok :process 0 :f :txn}
          {:type :invoke :process 0 :f :txn :value [[:r 1 nil]]} {:type :ok :process 0 :f :txn}]",
        "p0 invoke write _ 1\n p0 ok 1
         p0 invoke cas _ [1 2]\n p0 ok [1 2]
         p0 invoke read _ 4\n p0 ok _
         p0 invoke txn [w 1 2]\n p0 ok [w 1 2]
         p0 invoke txn [r 1 _]\n p0 ok _",
    );
}

#[test]
fn indexes_and_times_are_those_of_the_file_where_it_has_them() {
    let line = |index: i64, rest: &str| format!("{{:index {index} :process 0 :f :read {rest}}}\n");
    let indexes = |text: &str| {
        let history = history(text);
        let indexes = history.events().iter().map(|event| event.index).collect::<Vec<_>>();
        let times = history.events().iter().map(|event| event.time.0).collect::<Vec<_>>();
        (indexes, times, history.has_times())
    };
    let rising = line(4, ":type :invoke :time 10") + &line(9, ":type :ok :time 7");
    assert_eq!(indexes(&rising), (vec![4, 9], vec![10, 7], true));
    let falling = line(9, ":type :invoke :time 10") + &line(4, ":type :ok");
    assert_eq!(indexes(&falling), (vec![0, 1], vec![0, 1_000_000], false));
    let nemesis = "{:process :nemesis :type :info :f :start}\n";
    let counted = nemesis.to_owned() + &line(9, ":type :invoke") + nemesis + &line(4, ":type :ok");
    assert_eq!(indexes(&counted).0, [1, 3]);
}

#[test]
fn keys_in_values_become_keys() {
    check(
        "[{:type :invoke :process 0 :f :write :value [3 1]} {:type :ok :process 0 :value [3 1]}
          {:type :invoke :process 0 :f :read :value [:a nil]} {:type :ok :process 0 :value [:a 2]}
          {:type :invoke :process 0 :f :cas :value [3 [1 2]]} {:type :fail :process 0 :value [3 [1 2]]}]",
        "p0 invoke write 3 1\n p0 ok 1
         p0 invoke read a\n p0 ok 2
         p0 invoke cas 3 [1 2]\n p0 fail other ",
    );
    check(
        "{:type :invoke, :f :append, :key \"0\", :value \"x\", :process 1}
         {:type :invoke, :f :get, :key 1, :value nil, :process 2}",
        "p1 invoke append 0 \"x\"\n p2 invoke get 1",
    );
}

#[test]
fn pairs_that_are_no_keys_stay_values() {
    let unchanged = |text: &str| {
        let history = history(text);
        assert!(history.operations().all(|operation| operation.op.key.is_none()), "{text}");
    };
    let cas = "{:type :invoke :process 0 :f :cas :value [1 2]} {:type :ok :process 0 :value [1 2]}";
    unchanged(cas);
    unchanged(&format!("{cas} {{:type :invoke :process 1 :f :read :value nil}}"));
    unchanged(&format!("{cas} {{:type :invoke :process 1 :f :read :value [1 nil]}}"));
    // A set of pairs.
    let add = "{:type :invoke :process 0 :f :add :value [0 1]} {:type :ok :process 0 :value [0 1]}";
    unchanged(add);
    unchanged(&format!("{add} {{:type :invoke :process 1 :f :read :value nil}}"));
    // A read that returns something else than a pair with its key.
    unchanged(&format!(
        "{add} {{:type :invoke :process 1 :f :read :value [0 nil]}} {{:type :ok :process 1 :value [1 2]}}"
    ));
    unchanged(&format!(
        "{add} {{:type :invoke :process 1 :f :read :value [0 nil]}} {{:type :ok :process 1 :value [0 1 2]}}"
    ));
    // Keys of a log.
    unchanged("{:type :invoke :process 0 :f :assign :value [0 1]}");
}

#[test]
fn logs_are_read_among_everything_else() {
    check(
        "INFO  jepsen.core - Running test:\n {:name \"etcd\"}\n\
         2026-05-10 12:34:56,123{GMT}\tINFO\t[jepsen worker 4] jepsen.util: 4\t:invoke\t:cas\t[2 4]\n\
         INFO  jepsen.util - :nemesis\t:info\t:start\tnil\n\
         INFO  jepsen.util - nothing of this is an operation\n\
         INFO  jepsen.util - 3   :invoke :write  7\r\n\
         WARN  jepsen.util - 3   :info :write  :timed-out\n\
         INFO  jepsen.util - 4\t:fail\t:cas\t[2 4]\t:timed-out\n\
         INFO  jepsen.util - 3\t:invoke\t:txn\t[[:r 1 nil]]\n\
         INFO  jepsen.util - 3\t:ok\t:txn\t[[:r 1 2]]",
        "p4 invoke cas _ [2 4]
         p3 invoke write _ 7
         p3 info other timed-out
         p4 fail other timed-out
         p5 invoke txn [r 1 _]
         p5 ok [r 1 2]",
    );
}

#[test]
fn the_text_of_a_history_is_read_as_a_log() {
    check(
        "0\t:invoke\t:write\t7\n:nemesis\t:info\t:start\tnil\n0\t:ok\t:write\t7\n1 :invoke :read nil\n",
        "p0 invoke write _ 7\n p0 ok 7\n p1 invoke read _",
    );
}

#[test]
fn numbers_in_quotes_are_processes() {
    check("{\"type\":\"invoke\",\"f\":\"read\",\"process\":\"7\"}", "p7 invoke read _");
}

#[test]
fn our_own_may_be_torn_anywhere() {
    let text = "{\"schism\":\"history\",\"version\":1}\n\
                {\"index\":0,\"time\":1,\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n";
    for length in 2..text.len() {
        let reading = read_bytes(&text.as_bytes()[..length], Format::Auto).expect("a torn history");
        assert_eq!(reading.format, Format::Jsonl, "{length}");
    }
    let unheaded = text.lines().nth(1).expect("an event");
    let reading = read_bytes(unheaded.as_bytes(), Format::Auto).expect("a history");
    assert_eq!((reading.format, reading.history.len()), (Format::Jsonl, 1));
}

#[test]
fn transactions_of_sessions() {
    let plume = "r(1,0,0,10)\nw(1,7,0,10)\n\nr(1,7,3,11)\nw(2,5,3,-1)\nr(2,0,0,12)\nw(3,0,0,12)\nr(3,0,0,12)\nw(1,8,3,11)\n";
    check(
        plume,
        "p0 invoke txn [r 1 _, w 1 7]\n p0 ok [r 1 _, w 1 7]
         p3 invoke txn [r 1 _, w 1 8]\n p3 ok [r 1 7, w 1 8]
         p3 invoke txn [w 2 5]\n p3 fail other aborted
         p0 invoke txn [r 2 _, w 3 0, r 3 _]\n p0 ok [r 2 _, w 3 0, r 3 0]",
    );
    assert!(!history(plume).has_real_time() && !history(plume).has_times());
    check(
        "=====\nw 1 7\nr 2 0\n-----\n\nr 1 7\n=====\n=====\nr 1 7\n-----\n",
        "p0 invoke txn [w 1 7, r 2 _]\n p0 ok [w 1 7, r 2 0]
         p0 invoke txn [r 1 _]\n p0 ok [r 1 7]
         p1 invoke txn [r 1 _]\n p1 ok [r 1 7]",
    );
    assert!(!history("r 1 7\n").has_real_time());
}

fn fails(bytes: &[u8], expected: &str) {
    fails_as(bytes, Format::Auto, expected);
}

fn fails_as(bytes: &[u8], format: Format, expected: &str) {
    let error = match read_bytes(bytes, format) {
        Ok(reading) => panic!("{expected}: read {} operations", reading.history.len()),
        Err(error) => error.to_string(),
    };
    let place = error.find(".tmp").map_or(0, |place| place);
    let said = error[place..].split_once(':').map_or("", |(_, said)| said);
    assert!(said.starts_with(expected), "{said:?} does not start with {expected:?}");
}

#[test]
fn wrong_files_are_named_by_line_and_column() {
    fails(b"", "1:1: the file is empty");
    fails(b"\n \n", "1:1: the file is empty");
    fails(b"\n\x00\x01", "2:1: the byte 0x00 begins no history");
    fails(b"\x7fELF\x02\x01", "1:1: the byte 0x7f begins no history");
    fails(b"hello", "1:1: `h` begins no history");
    fails(b"INFO jepsen.core - nothing\n", "2:1: no operation of a client");
    fails(b"[]", "1:3: no operation of a client");
    fails(b"[{:type :info :process :nemesis}]", "1:34: no operation of a client");
    fails(
        b"[{:type :invoke :process 0 :f :read}",
        "1:37: the file ends inside the list of operations: its `]` is missing",
    );
    fails(
        b"{:type :invoke :process 0\n :f :re",
        "2:8: the file ends inside an operation that begins at 1:1",
    );
    fails(
        b"{\"type\":\"invoke\",\"f\":\"read",
        "1:27: the file ends inside an operation that begins at 1:1",
    );
    fails(b"[{:type :invoke :process 0 :f :read}] {}", "1:39: something follows the end");
    fails(b"[{:type :invoke :process 0 :f :read})", "1:37: `)` where an operation map");
    fails(b"{:type :invoke :process 0 :f :read}\n 7", "2:2: `7` where an operation map");
    fails(
        b"{:type :ok :process 3 :f :read}",
        "1:1: process 3 completes an operation that it has not invoked",
    );
    fails(
        b"{:type :invoke :process 3 :f :read}\n\n  {:type :invoke :process 3 :f :read}",
        "3:3: process 3 invokes while its operation of line 1 is still open",
    );
    fails(
        b"{:type :invoke :process 3 :f :read}\n{:type :ok :process 3 :f :write}",
        "2:1: process 3 completes write, but its open operation is read",
    );
    fails(b"{:type :invoke :process 3 :value 1}", "1:1: an invocation without its function");
    fails(b"{:type :begin :process 3 :f :read}", "1:8: type \"begin\" is none of");
    fails(b"{:process 3 :f :read}", "1:1: an operation without its type");
    fails(b"{:type 7 :process 3}", "1:8: type 7 is none of");
    fails(b"{:type :ok :process -3}", "1:21: process -3; a process is a number");
    fails(b"{:type :ok :process [3]}", "1:21: process [3] is neither");
    fails(b"{:type :ok :process 3 :time :now}", "1:29: time \"now\" is no number");
    fails(b"{:type :ok :process 3 :f 7}", "1:26: the function 7 is no name");
    fails(b"{:type :ok :type :ok}", "1:12: the key :type stands twice");
    fails(b"{:type :ok :a 1 :a 1}", "1:17: the key :a stands twice");
    fails(b"{:type :ok :value {1 2 1 3}}", "1:19: the key 1 stands twice");
    fails(b"{:type :ok :value}", "1:18: a key without its value");
    fails(b"{:type :ok :value {1}}", "1:21: the key 1 has no value");
    fails(b"{:type :ok :value ]}", "1:19: `]` closes nothing");
    fails(b"{:type :ok :value \x00}", "1:19: a NUL byte");
    fails(b"{:type :ok :value \"a\xff\"}", "1:21: bytes that are not UTF-8");
    fails(b"{:type :ok :value a\xff }", "1:20: bytes that are not UTF-8");
    fails(b"{:type :ok :value \"\\q\"}", "1:20: an escape");
    fails(b"{\"type\":\"ok\",}", "1:14: expected a value after the comma");
    fails(b"{\"type\":\"ok\" \"process\":0}", "1:14: expected `,` or `}`");
    fails(b"{\"type\" \"ok\"}", "1:9: expected `:`");
    fails(b"{\"type\":\"ok\",\"type\":\"ok\"}", "1:14: the key \"type\" stands twice");
    fails(b"{\"value\":[1,2,]}", "1:15: expected a value after the comma");
    fails(b"{\"value\":01}", "1:10: `01` is no number");
    fails(b"{\"value\":nil}", "1:10: `nil` is no value");
    fails(b"{\"value\":{1:2}}", "1:11: expected a key in quotes");
    fails(b"INFO  jepsen.util - 4\t:ok\t:read\t[1\n", "1:35: the line ends inside");
    fails(
        b"INFO  jepsen.util - 4\t:ok\t:read\t[1",
        "1:35: the file ends inside a logged operation that begins at 1:1",
    );
    fails(b"INFO  jepsen.util - 4\t:ok\t:read\t1\n", "1:1: process 4 completes");
    fails(b"INFO  jepsen.util - 4\t:invoke\tread\n", "1:31: expected the operation's function");
    fails(b"r(1,2,3,4)\nr(1,2,3)\n", "2:1: `r(1,2,3)`; expected r(key,value,session,transaction)");
    fails(b"r(1,2,3,4)\nr(1,2,", "2:1: the file ends inside `r(1,2,`");
    fails(b"r 1 2\n\nx 1 2\n", "3:1: `x 1 2`; expected `r key value`");
    fails(b"-----\n", "1:1: no operation is in the file");
}

#[test]
fn deep_and_long_input_is_refused_soon() {
    let deep = |open: &str| format!("{{:type :ok :value {}", open.repeat(100_000)).into_bytes();
    fails(&deep("["), "1:148: brackets more than 128 deep");
    fails(&deep("{"), "1:");
    fails(&deep("#{"), "1:");
    fails(&deep("#_["), "1:");
    fails(&deep("#a "), "1:");
    fails(&"[".repeat(100_000).into_bytes(), "1:2: `[` where an operation map");
    let json = format!("{{\"value\":{}", "[".repeat(100_000)).into_bytes();
    fails(&json, "1:139: brackets more than 128 deep");
    let mut long = b"{:type :ok :value \"".to_vec();
    long.resize(80 << 20, b'a');
    fails(&long, "1:1: an operation of more than 67108864 bytes");
    fails_as(&vec![0; 80 << 20], Format::Edn, "1:1: `\0` where an operation map");
    fails_as(&vec![b'r'; 80 << 20], Format::Plume, "1:1: a line of more than 65536 bytes");
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for format in Format::ALL {
        let error = read(folder.path(), format).expect_err("a folder is no file");
        assert!(matches!(error, ReadError::Io { .. }), "{error}");
    }
    let zeros = std::path::Path::new("/dev/zero");
    if zeros.exists() {
        for format in Format::ALL {
            let error = read(zeros, format).expect_err("zeros are no history");
            assert!(matches!(error, ReadError::Line { .. }), "{format:?}: {error}");
        }
    }
}

#[test]
fn formats_have_names() {
    for format in Format::ALL {
        assert_eq!(Format::named(format.name()), Some(format));
    }
    assert_eq!(Format::named("edn-lines"), Some(Format::Edn));
    assert_eq!(Format::named("awdit-test"), Some(Format::Awdit));
    assert_eq!(Format::named("yaml"), None);
}

#[test]
fn operations_that_span_pieces_are_whole() {
    // Maps on several lines, values longer than a piece, and no newline at all.
    let mut lines = String::from("[");
    let mut one_line = String::from("(");
    let long = "1234567 ".repeat(300_000);
    let mut expected = 0;
    for number in 0..60_000 {
        let value = if number % 20_000 == 7 { format!("[{long}]") } else { number.to_string() };
        let invoke = format!(
            "{{:type :invoke\n {{:a\n {{:b 1}}}} 7\n {{:c 1}} 8 :process {number}\n :f :write\n :value {value}}}\n"
        );
        lines.push_str(&invoke);
        one_line.push_str(&invoke.replace('\n', " "));
        expected += 1;
    }
    lines.push(']');
    one_line.push(')');
    for text in [lines, one_line] {
        let history = history(&text);
        assert_eq!(history.len(), expected);
        let value = |number: usize| &history.operation(number).op.value;
        assert!(matches!(value(20_007), Value::List(items) if items.len() == 300_000));
        assert!((0..7).all(|number| *value(number) == Value::Int(number as i64)));
        assert_eq!(*value(59_999), Value::Int(59_999));
    }
}

#[test]
fn errors_far_into_a_file_have_their_place() {
    let line = |number: usize| format!("{{:type :invoke :process {number} :f :read}}\n");
    let text = (0..100_000).map(line).collect::<Vec<_>>().concat();
    fails(format!("{text}  {{:type :ok :process [x]}}").as_bytes(), "100001:23: process");
    fails(format!("{text}  {{:type :ok :process 7 :f :write}}").as_bytes(), "100001:3: process 7");
    fails(
        format!("{text}  {{:type").as_bytes(),
        "100001:9: the file ends inside an operation that begins at 100001:3",
    );
}
