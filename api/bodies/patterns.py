"""The patterns of texts in requests, and how a person would put them: nobody is answered with a regular expression."""

ID = "^[0-9a-f]{32}$"
BOT_ID = "^[!-~]([ -~]{0,126}[!-~])?$"
BOT_NAME = "^[A-Za-z0-9_]([A-Za-z0-9._-]{0,127})$"
"""A :data:`BOT_ID` that can stand in a path."""
BOT_TYPE = "^[a-z][a-z0-9_]{0,31}$"
WEBHOOK_URL = '^https?://[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?(:[0-9]{1,5})?([/?][!"$-~]*)?$'
CURSOR = "^([0-9a-f]{2}){1,400}$"
SEQ = "^[0-9]{1,18}$"

IN_WORDS = {
    ID: "32 characters, each a digit or a letter from a to f",
    BOT_ID: "1 to 128 printable ASCII characters, without a space at either end",
    BOT_NAME: "1 to 128 letters, digits and . _ -, with a letter, a digit or _ at the beginning",
    BOT_TYPE: "a word of up to 32 small letters, digits and _ that begins with a letter, such as dca",
    WEBHOOK_URL: "an address such as https://bots.example.com/hub, without a user, a password or a fragment",
    CURSOR: "the next_cursor of the page before, as it was answered",
    SEQ: "a whole number of up to 18 digits",
}
"""Pattern -> what a text has to be."""
