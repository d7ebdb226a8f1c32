//! The response, once all that it says is found out.

use super::super::Item;
use super::super::stream::{Sent, Source, Stream};
use super::{Body, Literal, Message, Value, Written, old_section};
use crate::command::shared::pace::Pace;
use crate::output::Output;
use codec::command::{FetchItem, Section, SectionText};
use codec::response::fetch::Writer;
use mail::date::DateTime;
use std::ops::Range;
use store::SaveDate;

impl Message {
    /// Begins the response; the caller writes what comes from the snapshot.
    pub(in crate::command::messages::fetch) fn begin(&mut self, out: &mut Vec<u8>) -> &mut Writer {
        self.unload();
        self.writer.insert(Writer::new(out, self.number))
    }

    /// Writes the rest of the response; call until it is not [`Written::Part`].
    pub(in crate::command::messages::fetch) fn write(
        &mut self,
        items: &[Item],
        out: &mut Output,
        pace: &mut Pace,
    ) -> Written {
        loop {
            let loaded = self.loaded.as_ref().filter(|loaded| loaded.whole);
            let source = loaded.map(|loaded| Source::Loaded(&loaded.bytes));
            let source = source.or(self.file.as_ref().map(Source::File));
            if let (Some(stream), Some(source)) = (self.stream.as_mut(), source) {
                match stream.go_on(source, out, pace) {
                    Ok(Sent::All) => self.end_stream(),
                    Ok(Sent::Part) => return Written::Part,
                    Ok(Sent::Short) => return Written::Broken("a message's file shrank while it was sent"),
                    Err(error) => {
                        tracing::error!(%error, "a message cannot be sent to its end");
                        return Written::Broken("a message's file could not be read on");
                    }
                }
            }
            if out.is_full() || pace.is_spent() {
                return Written::Part;
            }
            let item = items.get(self.written).map(|item| &item.item);
            let (Some(item), Some(value)) = (item, self.values.get(self.written)) else {
                if let Some(writer) = self.writer.take() {
                    writer.finish(out.buffer());
                }
                return Written::All;
            };
            let Some(writer) = self.writer.as_mut() else { return Written::All };
            self.written += 1;
            match value {
                Value::OfSnapshot | Value::Gone => {}
                Value::Date => {
                    if let Some(date) = self.date {
                        writer.internal_date(out.buffer(), date);
                    }
                }
                Value::Saved(SaveDate::At(unix)) => {
                    let date = DateTime { unix: *unix, offset_minutes: 0 };
                    writer.save_date(out.buffer(), Some(date));
                }
                Value::Saved(SaveDate::Unknown) => writer.save_date(out.buffer(), None),
                Value::Size => {
                    if let Some(octets) = self.size {
                        writer.size(out.buffer(), octets);
                    }
                }
                Value::Ready(ready) => writer.ready(out.buffer(), ready_name(item), ready),
                Value::Literal(literal) => {
                    announce(writer, item, &literal.window, out.buffer());
                    let window = literal.window.clone();
                    match &literal.body {
                        Body::Held(octets) => {
                            if let Err(why) = write_window(octets, &window, out) {
                                return Written::Broken(why);
                            }
                        }
                        Body::InFile(measured) => {
                            let mark = self.mark.as_ref().filter(|mark| mark.measured == *measured);
                            let place = mark.and_then(|mark| mark.place.clone());
                            self.stream = Some(Stream::new(measured.range.clone(), window, place));
                        }
                        Body::Fields(range) => {
                            let range = range.clone();
                            if let Err(why) = self.write_fields(item, &range, &window, out, pace) {
                                return Written::Broken(why);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Picks fields once more, which were too long to be held.
    fn write_fields(
        &mut self,
        item: &FetchItem,
        range: &Range<u64>,
        window: &Range<u64>,
        out: &mut Output,
        pace: &mut Pace,
    ) -> Result<(), &'static str> {
        let FetchItem::Section {
            section: Section { text: SectionText::HeaderFields { not, names }, .. },
            ..
        } = item
        else {
            return Ok(());
        };
        let octets = self.pick(*not, names, range, pace);
        let octets = octets.map_err(|_| "a message's file could not be read on")?.unwrap_or_default();
        write_window(&octets, window, out)
    }

    fn end_stream(&mut self) {
        let place = self.stream.take().map(Stream::place);
        let sent = self.written.checked_sub(1).and_then(|last| self.values.get(last));
        if let (Some(mark), Some(Value::Literal(Literal { body: Body::InFile(measured), .. }))) =
            (&mut self.mark, sent)
            && mark.measured == *measured
        {
            mark.place = place;
        }
    }
}

fn write_window(octets: &[u8], window: &Range<u64>, out: &mut Output) -> Result<(), &'static str> {
    let octets = octets.get(window.start as usize..window.end as usize);
    out.buffer().extend_from_slice(octets.ok_or("a message's file changed while it was sent")?);
    Ok(())
}

/// The item up to its literal's first octet.
fn announce(writer: &mut Writer, item: &FetchItem, window: &Range<u64>, out: &mut Vec<u8>) {
    let octets = window.end - window.start;
    match item {
        FetchItem::Section { section, partial, .. } => {
            writer.section(out, section, partial.map(|partial| partial.origin), octets);
        }
        FetchItem::Rfc822(which) => writer.rfc822(out, old_section(*which).0, octets),
        _ => {}
    }
}

fn ready_name(item: &FetchItem) -> &'static str {
    match item {
        FetchItem::Envelope => "ENVELOPE",
        FetchItem::Body => "BODY",
        _ => "BODYSTRUCTURE",
    }
}
