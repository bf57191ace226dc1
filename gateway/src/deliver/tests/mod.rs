mod backend;
mod failing_store;
mod machine;
mod rules;
mod support;
mod worker;
