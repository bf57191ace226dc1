mod backend;
mod machine;
mod support;
mod worker;
