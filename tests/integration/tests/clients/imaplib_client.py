"""What Python's imaplib does with a server: over TLS and STARTTLS."""

import imaplib
import ssl
import sys
import time

port, tls_port, user, password, certificate = sys.argv[1:]
context = ssl.create_default_context(cafile=certificate)


def ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data


def exercise(imap):
    ok(imap.login(user, password))
    assert int(ok(imap.select("INBOX"))[0]) >= 5
    assert b"1" in ok(imap.search(None, "SUBJECT", "afternoon"))[0].split()
    data = ok(imap.fetch("1", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)] RFC822.SIZE)"))
    assert b"afternoon meeting" in data[0][1], data
    ok(imap.store("1", "+FLAGS", r"(\Flagged $Label1)"))
    assert b"$Label1" in ok(imap.fetch("1", "(FLAGS)"))[0]
    ok(imap.create('"imaplib test"'))
    ok(imap.subscribe('"imaplib test"'))
    message = b"Subject: from imaplib\r\n\r\ntext\r\n"
    ok(imap.append('"imaplib test"', r"(\Seen)", imaplib.Time2Internaldate(time.time()), message))
    ok(imap.copy("1:2", '"imaplib test"'))
    assert int(ok(imap.select('"imaplib test"'))[0]) == 3
    body = ok(imap.uid("FETCH", "1", "(BODY[])"))[0][1]
    assert body == message, body
    ok(imap.uid("STORE", "1", "+FLAGS.SILENT", r"(\Deleted)"))
    assert ok(imap.expunge()) == [b"1"]
    ok(imap.close())
    ok(imap.delete('"imaplib test"'))
    assert b"imaplib" in b" ".join(ok(imap.lsub()))
    ok(imap.unsubscribe('"imaplib test"'))
    assert imap.select('"imaplib test"')[0] == "NO"
    assert imap.logout()[0] == "BYE"


exercise(imaplib.IMAP4_SSL("localhost", int(tls_port), ssl_context=context))

imap = imaplib.IMAP4("localhost", int(port))
try:
    imap.login(user, password)
    raise SystemExit("a password was taken in clear")
except imaplib.IMAP4.error as error:
    assert "PRIVACYREQUIRED" in str(error), error
ok(imap.starttls(context))
exercise(imap)
print("all is well")
