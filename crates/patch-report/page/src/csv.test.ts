import assert from "node:assert/strict";
import { test } from "node:test";
import { csv, field } from "./csv";

test("a text that a spreadsheet would calculate gets an apostrophe", () => {
  for (const [text, expected] of [
    ["=1+1", "'=1+1"], ["+1", "'+1"], ["-1", "'-1"], ["@SUM(A1)", "'@SUM(A1)"], ["\t=1", "\t'=1"],
    ["\r=1", '"\r\'=1"'], ["\n=1", '"\n\'=1"'], [" =1", " '=1"], ["\0=1", "\0'=1"], ["\ufeff=1", "\ufeff'=1"],
    ["a;=1; @b;-", "a;'=1; '@b;'-"], ['a";\t=1', '"a"";\t\'=1"'], ["a\r\n=1", '"a\r\n\'=1"'],
    ["\uff1d1+1", "'\uff1d1+1"], ["\uff0b1", "'\uff0b1"], ["\uff0d1", "'\uff0d1"], ["\uff20SUM(A1)", "'\uff20SUM(A1)"], ['=HYPERLINK("x","y")', '"\'=HYPERLINK(""x"",""y"")"'],
  ] as const) assert.equal(field(text), expected);
});

test("other texts stay as they are, in quotes where RFC 4180 asks for them", () => {
  for (const [text, expected] of [
    ["web-1", "web-1"], ["a=b", "a=b"], ["a,b", '"a,b"'], ['say "x"', '"say ""x"""'], ["a\nb", '"a\nb"'], ["", ""],
    ["é漢🙂", "é漢🙂"], ["a;b-1", "a;b-1"], ["'=1", "'=1"],
  ] as const) assert.equal(field(text), expected);
});

test("numbers are numbers and what is unknown is empty", () => {
  assert.equal(field(-1), "-1");
  assert.equal(field(99.5), "99.5");
  assert.equal(field(null), "");
});

test("the file begins with a byte order mark, its lines end in CR LF", () => {
  assert.equal(csv(["a", "b"], [["x", 1]]).join(""), "\uFEFFa,b\r\nx,1\r\n");
});

test("no row is lost between the pieces of a long file", () => {
  const rows = Array.from({ length: 12_345 }, (_, i) => [i]);
  const pieces = csv(["n"], rows);
  assert.ok(pieces.length > 1);
  assert.equal(pieces.join("").split("\r\n").length, 12_345 + 2);
});
