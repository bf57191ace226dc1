use crate::{Change, Content, Context, Fault, Passing, Verdict};

/// A processor: sees every message on its way into the log, and says what becomes of it.
pub trait Processor {
    /// Looks at one message. Nothing survives the call but what is kept in [`crate::kv`].
    ///
    /// # Errors
    /// The operator's `on_failure` decides what becomes of the message.
    fn process(ctx: &Context, message: Passing) -> Result<Verdict, Fault>;
}

impl Change {
    /// Nothing yet.
    pub fn nothing() -> Self {
        Self { content: None, metadata: None, tags: None, reply: None }
    }

    /// Another content and nothing else.
    pub fn content(content: Content) -> Self {
        Self { content: Some(content), ..Self::nothing() }
    }
}

/// Makes a component of a processor: `processor!(MyProcessor, "manifest.json");`, the path relative to the source file.
#[macro_export]
macro_rules! processor {
    ($processor:ty, $manifest:literal) => {
        const _: () = {
            $crate::manifest!($manifest);

            struct Exported;

            impl $crate::processor_bindings::exports::omnigate::processor::transform::Guest for Exported {
                fn process(ctx: $crate::Context, message: $crate::Passing) -> Result<$crate::Verdict, $crate::Fault> {
                    $crate::install_panic_hook();
                    <$processor as $crate::Processor>::process(&ctx, message)
                }
            }

    $crate::processor_bindings::export!(Exported with_types_in $crate::processor_bindings);
        };
    };
}
