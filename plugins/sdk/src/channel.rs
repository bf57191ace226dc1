use crate::{
    Arrived, Context, Event, Fault, Identity, Letter, Opening, Outbound, Outcome, Receipt, Request, Signal, State,
    Step, http,
};

/// An adapter. Only the first two functions are for every channel; the manifest says which of the others count.
pub trait Channel {
    /// A request of the provider: check that it is authentic, then tell what happened.
    ///
    /// # Errors
    /// `unauthorized` for a wrong signature, `invalid` for an unreadable body. What is authentic but not understood is no
    /// error: return [`crate::Event::Unsupported`].
    fn handle_request(ctx: &Context, request: Request) -> Result<Outcome, Fault>;

    /// Sends one message.
    ///
    /// # Errors
    /// The kind tells the gateway what to do; `reason` and `code` go into the message's status.
    fn send(ctx: &Context, message: Outbound) -> Result<Receipt, Fault>;

    /// How to fetch the media that an event referred to.
    ///
    /// # Errors
    /// As for [`Channel::send`].
    fn locate(_ctx: &Context, _reference: &str) -> Result<http::Request, Fault> {
        Err(Fault::unsupported("this adapter has no media to fetch"))
    }

    /// Shows typing, or marks as read.
    ///
    /// # Errors
    /// As for [`Channel::send`].
    fn show(_ctx: &Context, _recipient: &Identity, _last_inbound: Option<&str>, _signal: Signal) -> Result<(), Fault> {
        Err(Fault::unsupported("this adapter shows neither typing nor reading"))
    }

    /// A socket was opened.
    ///
    /// # Errors
    /// The socket is closed.
    fn open(_ctx: &Context, _opening: Opening) -> Result<Step, Fault> {
        Err(Fault::unsupported("this adapter has no sockets"))
    }

    /// A frame came in on a socket.
    ///
    /// # Errors
    /// The socket is closed.
    fn frame(_ctx: &Context, _state: State, _frame: &str) -> Result<Step, Fault> {
        Err(Fault::unsupported("this adapter has no sockets"))
    }

    /// A mail came into the mailbox.
    ///
    /// # Errors
    /// The mail is kept aside as it came, and can be replayed.
    fn receive(_ctx: &Context, _mail: Arrived) -> Result<Vec<Event>, Fault> {
        Err(Fault::unsupported("this adapter has no mailbox"))
    }

    /// Writes the letter that carries a message; `answered` is the interaction that it answers, as CloudEvents JSON.
    ///
    /// # Errors
    /// As for [`Channel::send`].
    fn compose(_ctx: &Context, _message: Outbound, _answered: Option<&str>) -> Result<Letter, Fault> {
        Err(Fault::unsupported("this adapter has no mailbox"))
    }
}

/// Makes a component of an adapter: `channel!(MyAdapter, "manifest.json");`, the path relative to the source file.
#[macro_export]
macro_rules! channel {
    ($adapter:ty, $manifest:literal) => {
        const _: () = {
            $crate::manifest!($manifest);

            struct Exported;

            use $crate::bindings::exports::omnigate::channel as exports;

            impl exports::adapter::Guest for Exported {
                fn handle_request(
                    ctx: $crate::Context,
                    request: $crate::Request,
                ) -> Result<$crate::Outcome, $crate::Fault> {
                    $crate::install_panic_hook();
                    <$adapter as $crate::Channel>::handle_request(&ctx, request)
                }

                fn send(ctx: $crate::Context, message: $crate::Outbound) -> Result<$crate::Receipt, $crate::Fault> {
                    $crate::install_panic_hook();
                    <$adapter as $crate::Channel>::send(&ctx, message)
                }
            }

            impl exports::media::Guest for Exported {
                fn locate(ctx: $crate::Context, reference: String) -> Result<$crate::http::Request, $crate::Fault> {
                    $crate::install_panic_hook();
                    <$adapter as $crate::Channel>::locate(&ctx, &reference)
                }
            }

            impl exports::signals::Guest for Exported {
                fn show(
                    ctx: $crate::Context,
                    recipient: $crate::Identity,
                    last_inbound: Option<String>,
                    signal: $crate::Signal,
                ) -> Result<(), $crate::Fault> {
                    $crate::install_panic_hook();
                    <$adapter as $crate::Channel>::show(&ctx, &recipient, last_inbound.as_deref(), signal)
                }
            }

            impl exports::session::Guest for Exported {
                fn open(ctx: $crate::Context, opening: $crate::Opening) -> Result<$crate::Step, $crate::Fault> {
                    $crate::install_panic_hook();
                    <$adapter as $crate::Channel>::open(&ctx, opening)
                }

                fn frame(
                    ctx: $crate::Context,
                    state: $crate::State,
                    frame: String,
                ) -> Result<$crate::Step, $crate::Fault> {
                    $crate::install_panic_hook();
                    <$adapter as $crate::Channel>::frame(&ctx, state, &frame)
                }
            }

            impl exports::mail::Guest for Exported {
                fn receive(ctx: $crate::Context, mail: $crate::Arrived) -> Result<Vec<$crate::Event>, $crate::Fault> {
                    $crate::install_panic_hook();
                    <$adapter as $crate::Channel>::receive(&ctx, mail)
                }

                fn compose(
                    ctx: $crate::Context,
                    message: $crate::Outbound,
                    answered: Option<String>,
                ) -> Result<$crate::Letter, $crate::Fault> {
                    $crate::install_panic_hook();
                    <$adapter as $crate::Channel>::compose(&ctx, message, answered.as_deref())
                }
            }

    $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
    };
}
