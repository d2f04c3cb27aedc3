//! What is sent, and what answers are taken for.

use super::*;

fn op(f: &str, value: Value) -> Op {
    Op::new(f, (f != "txn").then_some("x"), value)
}

fn pair(expected: Value, new: Value) -> Value {
    Value::List([expected, new].into())
}

fn mop(kind: MopKind, value: Value) -> Mop {
    Mop { kind, key: Key::new("x"), value }
}

fn txn() -> Op {
    let append = mop(MopKind::Append, Value::Int(1));
    op("txn", Value::Mops([append, mop(MopKind::Read, Value::Nil)].into()))
}

fn bulk(text: &str) -> Reply {
    Reply::Bulk(text.into())
}

fn status(word: &str) -> Reply {
    Reply::Status(word.into())
}

fn error(text: &str) -> Reply {
    Reply::Error(text.into())
}

#[test]
fn asks_in_words_of_redis() {
    let check = |op: Op, words: &[&str], only_reads: bool| {
        let mut bytes = Vec::new();
        write_command(&mut bytes, words);
        let expected = Request { slot: slot_of("x"), bytes, replies: 1, only_reads };
        assert_eq!(request(&op), Ok(expected), "{op:?}");
    };
    check(op("read", Value::Nil), &["GET", "x"], true);
    check(op("write", Value::Int(4)), &["SET", "x", "4"], false);
    check(op("write", Value::Text("a b".into())), &["SET", "x", "\"a b\""], false);
    check(op("add", Value::Int(-4)), &["SADD", "x", "-4"], false);
    check(op("read-set", Value::Nil), &["SMEMBERS", "x"], true);
    check(op("increment", Value::Int(3)), &["INCRBY", "x", "3"], false);
    let script = ["EVAL", COMPARE_AND_SET, "1", "x", "null", "2"];
    check(op("cas", pair(Value::Nil, Value::Int(2))), &script, false);
}

#[test]
fn asks_for_transactions_in_one_slot() {
    let asked = request(&txn()).expect("a request");
    let mut bytes = Vec::new();
    for words in [
        &["MULTI"][..],
        &["RPUSH", "{lists}:x", "1"],
        &["LRANGE", "{lists}:x", "0", "-1"],
        &["EXEC"],
    ] {
        write_command(&mut bytes, words);
    }
    assert_eq!(asked, Request { slot: slot_of("lists"), bytes, replies: 4, only_reads: false });
    let reads = op("txn", Value::Mops([mop(MopKind::Read, Value::Nil)].into()));
    assert!(request(&reads).expect("a request").only_reads);
}

#[test]
fn asks_nothing_that_it_could_not_do() {
    for op in [
        op("write", Value::Nil),
        op("add", Value::Nil),
        op("cas", pair(Value::Int(1), Value::Nil)),
        op("cas", Value::Int(1)),
        op("increment", Value::Text("1".into())),
        op("dequeue", Value::Nil),
        Op::new("read", None, Value::Nil),
        op("txn", Value::Mops([mop(MopKind::Write, Value::Int(1))].into())),
        op("txn", Value::Mops([].into())),
    ] {
        assert_eq!(request(&op).map_err(|reason| reason.code), Err(Code::Other), "{op:?}");
    }
}

fn check(op: Op, replies: Vec<Reply>, expected: Answer) {
    assert_eq!(answer(&op, replies), Ok(expected), "{op:?}");
}

fn check_not(op: Op, replies: Vec<Reply>, problem: &str) {
    let found = answer(&op, replies).expect_err("nonsense");
    assert!(found.contains(problem), "{found}");
}

#[test]
fn reads_results() {
    let list = Value::List([Value::Int(2), Value::Int(1)].into());
    check(op("read", Value::Nil), vec![Reply::Nil], Answer::Done(Value::Nil));
    check(op("read", Value::Nil), vec![bulk("4")], Answer::Done(Value::Int(4)));
    check(op("write", Value::Int(4)), vec![status("OK")], Answer::Done(Value::Int(4)));
    check(op("add", Value::Int(4)), vec![Reply::Integer(0)], Answer::Done(Value::Int(4)));
    check(op("increment", Value::Int(4)), vec![Reply::Integer(9)], Answer::Done(Value::Int(4)));
    let members = Reply::Array(vec![bulk("2"), bulk("1")]);
    check(op("read-set", Value::Nil), vec![members], Answer::Done(list));
    let cas = op("cas", pair(Value::Int(1), Value::Int(2)));
    check(cas.clone(), vec![Reply::Integer(1)], Answer::Done(cas.value.clone()));
    check(cas.clone(), vec![bulk("7")], Answer::Mismatch("found 7".into()));
    check(cas, vec![bulk("null")], Answer::Mismatch("found null".into()));
}

#[test]
fn takes_no_odd_answer_for_a_result() {
    check_not(op("read", Value::Nil), vec![bulk("four")], "is no value");
    check_not(op("read", Value::Nil), vec![status("OK")], "as the answer to read");
    check_not(op("write", Value::Int(1)), vec![status("QUEUED")], "as the answer to write");
    check_not(op("write", Value::Int(1)), vec![Reply::Nil], "as the answer to write");
    check_not(op("read-set", Value::Nil), vec![Reply::Array(vec![Reply::Nil])], "in a list");
    let cas = op("cas", pair(Value::Int(1), Value::Int(2)));
    check_not(cas, vec![Reply::Integer(0)], "as the answer to cas");
}

fn replies(queued: [Reply; 2], executed: Reply) -> Vec<Reply> {
    let [first, second] = queued;
    vec![status("OK"), first, second, executed]
}

fn queued() -> [Reply; 2] {
    [status("QUEUED"), status("QUEUED")]
}

#[test]
fn reads_what_transactions_found() {
    let found = Reply::Array(vec![Reply::Integer(1), Reply::Array(vec![bulk("1")])]);
    let list = Value::List([Value::Int(1)].into());
    let mops = [mop(MopKind::Append, Value::Int(1)), mop(MopKind::Read, list)];
    check(txn(), replies(queued(), found), Answer::Done(Value::Mops(mops.into())));
    let short = Reply::Array(vec![Reply::Integer(1)]);
    check_not(txn(), replies(queued(), short), "1 answers to 2 micro-operations");
    let twisted = Reply::Array(vec![Reply::Array(Vec::new()), Reply::Integer(1)]);
    check_not(txn(), replies(queued(), twisted), "in a transaction");
    check_not(txn(), replies(queued(), Reply::Nil), "as the answer to EXEC");
}

#[test]
fn tells_a_refused_transaction_from_one_that_was_done_in_part() {
    let moved = "MOVED 3 10.0.0.2:6379";
    let abort = error("EXECABORT Transaction discarded because of previous errors.");
    // What was not queued tells why nothing was executed …
    let refused = replies([error(moved), error(moved)], abort.clone());
    check(txn(), refused, Answer::Error(moved.into()));
    // … but what would be doubtful elsewhere is not so here.
    let unknown = replies([status("QUEUED"), error("ERR unknown command")], abort);
    let text = "EXECABORT Transaction discarded because of previous errors.";
    check(txn(), unknown, Answer::Error(text.into()));
    check(txn(), replies(queued(), error(moved)), Answer::Error(moved.into()));
    let inner = Reply::Array(vec![error("WRONGTYPE no list"), Reply::Array(Vec::new())]);
    check(txn(), replies(queued(), inner), Answer::Partly("WRONGTYPE no list".into()));
    let mut loose = replies([Reply::Integer(1), Reply::Array(Vec::new())], error("ERR EXEC"));
    loose[0] = error("NOAUTH Authentication required.");
    let said = "MULTI was answered by NOAUTH Authentication required.";
    check(txn(), loose, Answer::Partly(said.into()));
}
