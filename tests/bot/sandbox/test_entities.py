"""Our parsers against Telegram's own."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.sandbox.server.entities.html import parse_html
from bot.sandbox.server.entities.markdown import parse_markdown
from bot.sandbox.server.entities.markdown_v2 import parse_markdown_v2
from bot.sandbox.server.entities.render import render
from bot.sandbox.server.entities.span import ParseError
from bot.sandbox.server.entities.text import formatted
from bot.sandbox.server.errors import ApiError
from tests.bot.sandbox import oracle

PARSERS = {"HTML": parse_html, "Markdown": parse_markdown, "MarkdownV2": parse_markdown_v2}
PIECES = {
    "HTML": [
        "<b>", "</b>", "<i>", "</i>", '<a href="', "http://x.com", '">', "</a>", "<pre>", "</pre>", "<code>",
        '<code class="language-py">', "</code>", "x", "😀", "é", "&amp;", "&lt", "&#65;", "&#x1f600;", "&#", "&",
        "<", ">", '"', "'", " ", "\n", "=", "<blockquote>", "<blockquote expandable>", "</blockquote>", "</>", "/",
        "<tg-spoiler>", "</tg-spoiler>", '<span class="tg-spoiler">', "</span>", "tg://user?id=12", "a", "<s>",
        '<tg-emoji emoji-id="5">', "</tg-emoji>", "<u", "B", "<a ", "href", "\t", "-", "_", "</s>", "&#xd83d;",
        '<tg-time unix="1700000000">', "</tg-time>",
    ],
    "Markdown": [
        "*", "_", "`", "```", "[", "](", "http://x.com", ")", "]", "\\", "x", "y z", "😀", "é", "\n", "\r\n", "py\n",
        "tg://user?id=5", " ", "(", "x.com",
    ],
    "MarkdownV2": [
        "*", "_", "__", "`", "```", "[", "](", "http://x.com", ")", "]", "\\", "x", "y", "😀", "é", "\n", ">",
        "\n>", "||", "**>", "~", "![", "tg://emoji?id=5", "tg://time?unix=7", "tg://user?id=5", "py\n", ".",
        "\\.", "|", "!", "(", " ", "\r", "x.com", "-",
    ],
}  # fmt: skip
CORPUS = {
    "HTML": [
        "", "<b>x", "a <zz> b", "<b>x</i>", "<b", "<b attr>x</b>", "<a>http://x.com</a>", '<a href="foo">t</a>',
        '<pre><code class="language-py">x</code></pre>', "P&L < 5", "<b></b>", "<B>x</b >", "</b>", "<!-- c -->",
        "<br/>", '<a href="tg://user?id=1001">Ada</a>', "<script>alert(1)</script>", "<b><i>x</b></i>", "<span>x",
        '<tg-emoji emoji-id="x">x</tg-emoji>', "é<zz>", "<code><b>x</b></code>", "&apos;&nbsp;&#0;&#1114111;",
        '<a href="javascript:alert(1)">t</a>', '<a href="http://localhost:80">t</a>', "<b a=_>x</b>",
        '<a href="http://[::1]/ ">t</a>', '<a href="HTTP://X.COM:80?q=a b#f">t</a>', '<b a="', "<a b", "x" * 5000,
        '<a href="tg://resolve?domain=x ">t</a>', '<a href="ton://a">t</a>', "<b>x</b", "<tg-time format='q'>x</tg-time>",
        '<code class="language-x"><pre>b</pre></code>', "<pre>a<code class='language-x'>b</code></pre>",
    ],
    "Markdown": ["*a", "[x.com]", "[a](x.com", "a_b", "\\_\\*", "```\nx```", "```py x```", "[a] (b)", "*a_b*", "``", "[](x.com)"],
    "MarkdownV2": [
        "P&L 1.5", "*a", "__*a*__", "_a__b_", "**>q\n>w||", ">q\n>w\nz", ">a\n**>b", "*>x*", "[a](", "![x](foo)", "!",
        "![👍](tg://emoji?id=5368324170671202286)", "```py\nx\n```", "`a\\`b`", "\\", ">x||\n>y", ">>x", "\r>x",
        ">`a\n>b`", "||a||b||", "a\\\n>b", "[x](http://x.com\\))", "![]()",
    ],
}  # fmt: skip


def ours(text: str, mode: str):
    try:
        plain, spans = PARSERS[mode](text)
    except ParseError as error:
        return str(error)
    return plain, sorted(
        (
            span.offset,
            span.length,
            span.kind,
            span.argument.split(":")[0] if span.kind == "date_time" else span.argument,
        )
        for span in spans
    )


def crashes_telegram(text: str, mode: str) -> bool:
    """Telegram's parser of legacy Markdown aborts on cut characters in links without a target."""
    return mode == "Markdown" and "[" in text and not text.isascii()


@pytest.mark.parametrize(("mode", "text"), [(mode, text) for mode, texts in CORPUS.items() for text in texts])
def test_known_texts_parse_as_telegram_parses_them(mode, text):
    assert ours(text, mode) == oracle.parse(text, mode)


@pytest.mark.parametrize("mode", PARSERS)
def test_random_markup_parses_as_telegram_parses_it(mode):
    chance = random.Random(20261121)
    for _ in range(12_000):
        text = "".join(chance.choices(PIECES[mode], k=chance.randint(1, 12)))
        if not crashes_telegram(text, mode):
            assert ours(text, mode) == oracle.parse(text, mode), text


def well_formed(mode):
    """Texts that mostly parse: nested entities around escaped words."""
    words = st.sampled_from(["x", "P and L", "😀", "é", "1", "a b"])
    if mode == "HTML":
        wrap = [("<b>", "</b>"), ("<i>", "</i>"), ("<u>", "</u>"), ("<s>", "</s>"), ("<code>", "</code>"), ("<pre>", "</pre>"),
                ('<a href="http://a.b/c">', "</a>"), ("<blockquote expandable>", "</blockquote>"), ("<tg-spoiler>", "</tg-spoiler>")]  # fmt: skip
    else:
        wrap = [("*", "*"), ("_", "_"), ("~", "~"), ("||", "||"), ("`", "`"), ("[", "](http://a.b/c)"), ("\n>", "\n")]
    return st.recursive(
        words, lambda inner: st.tuples(st.sampled_from(wrap), st.lists(inner, max_size=3)).map(
            lambda pair: pair[0][0] + " ".join(pair[1]) + pair[0][1]), max_leaves=8)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(text=well_formed("HTML"))
def test_nested_html(text):
    assert ours(text, "HTML") == oracle.parse(text, "HTML")


@settings(max_examples=100, deadline=None)
@given(text=well_formed("MarkdownV2"))
def test_nested_markdown_v2(text):
    assert ours(text, "MarkdownV2") == oracle.parse(text, "MarkdownV2")


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40))
def test_any_text_at_all(text):
    for mode in ("HTML", "MarkdownV2"):
        assert ours(text, mode) == oracle.parse(text, mode)


def nobody(_: int) -> None:
    return None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  <b>hi</b>  \n", ("hi", [("bold", 0, 2)])),
        ("<b>  hi</b>", ("  hi", [("bold", 0, 4)])),
        ("a\r\nb <b>c</b>", ("a\nb c", [("bold", 4, 1)])),
        ("<b>a</b><b>b</b>", ("ab", [("bold", 0, 2)])),
        ("<code>/x @abc</code> /y @abcd", ("/x @abc /y @abcd", [("code", 0, 7), ("bot_command", 8, 2), ("mention", 11, 5)])),
        ("<pre>a<b>b</b></pre>", ("ab", [("pre", 0, 2)])),
        ("😀 #tag $USD x@y.com http://a.b.", ("😀 #tag $USD x@y.com http://a.b.",
            [("hashtag", 3, 4), ("cashtag", 8, 4), ("email", 13, 7), ("url", 21, 10)])),
        ("a<b>  </b>", ("a", [])),
        ("tab\there", ("tab here", [])),
    ],
)  # fmt: skip
def test_text_is_finished_as_telegram_does(text, expected):
    result = formatted(text, "HTML", None, nobody)
    assert (
        result.text,
        [(entity["type"], entity["offset"], entity["length"]) for entity in result.entities],
    ) == expected


@pytest.mark.parametrize(
    ("entities", "reason"),
    [
        ([{"type": "bold", "offset": 100, "length": 1}], "entity begins after the end of the text at UTF-16 offset 100"),
        ([{"type": "bold", "offset": 0, "length": 100}], "entity beginning at UTF-16 offset 0 ends after the end of the text at UTF-16 offset 100"),
        ([{"type": "nonsense", "offset": 0, "length": 1}], "can't parse MessageEntity: Unsupported type specified"),
        ([{"type": "text_link", "offset": 0, "length": 4, "url": "not-a-url"}], "entity URL 'not-a-url' is invalid: Wrong HTTP URL"),
        ([{"type": "text_link", "offset": 0, "length": 4, "url": ""}], "entity URL '' is invalid: URL host is empty"),
        ([{"type": "bold", "offset": -1, "length": 1}], "receive an entity with incorrect offset -1"),
        ([{"type": "text_link", "offset": 0, "length": 4}], 'can\'t parse MessageEntity: Can\'t find field "url"'),
        ([{"type": "text_mention", "offset": 0, "length": 4, "user": {"id": 0}}], "user not found"),
    ],
)  # fmt: skip
def test_listed_entities_are_refused_in_telegrams_words(entities, reason):
    with pytest.raises(ApiError) as caught:
        formatted("hello", "", entities, nobody)
    assert caught.value.description == f"Bad Request: {reason}"


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=60))
def test_rendered_html_holds_only_our_tags(text):
    try:
        result = formatted(text, "", [], nobody)
    except UnicodeEncodeError:
        return
    if any("\ud800" <= char <= "\udfff" for char in result.text):
        return
    html = render(result.text, result.entities)
    assert "<script" not in html.lower()
    assert html.count("<") == html.count(">")


def test_rendering_escapes_and_nests():
    result = formatted(
        '<b>a<i>&lt;img src=x onerror="x"&gt;</i></b> <a href="http://x.com/?a=1&b=2">l</a>', "HTML", None, nobody
    )
    assert render(result.text, result.entities) == (
        "<b>a<i>&lt;img src=x onerror=&quot;x&quot;&gt;</i></b> "
        '<a href="http://x.com/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer">l</a>'
    )
