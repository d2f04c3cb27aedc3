//! Apache Kafka in KRaft mode: brokers that are controllers, too.
#![allow(dead_code)]

mod keys;
