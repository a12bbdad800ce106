/**
 * The CRC-32 of gzip (RFC 1952, section 8) of a whole, out of those of its parts.
 *
 * A CRC is the remainder of a division of polynomials with coefficients of 0 and 1. That of
 * A followed by B is that of A, moved on by the length of B, plus that of B. The highest bit
 * of a number here stands for the power 0.
 */

const POLYNOMIAL = 0xedb88320;
const ONE = 0x80000000;

/** x to the power of 8 (a byte), 16, 32 and so on: enough for any length below 2^32 bytes. */
const MOVES = doubled(0x00800000, 32);

/** The CRC of two parts, one behind the other; `length` is that of the second, in bytes. */
export function concatenateCrcs(first: number, second: number, length: number): number {
  return (multiply(moveBy(length), first) ^ second) >>> 0;
}

/** What to multiply by to move on by `bytes`. */
function moveBy(bytes: number): number {
  let move = ONE;
  for (let bit = 0, rest = bytes; rest > 0; bit++, rest >>>= 1) {
    if (rest & 1) move = multiply(MOVES[bit] ?? ONE, move);
  }
  return move;
}

/** The product of two remainders, itself a remainder. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let rest = a, term = b; rest !== 0; rest <<= 1) {
    if (rest & ONE) product ^= term;
    term = term & 1 ? (term >>> 1) ^ POLYNOMIAL : term >>> 1;
  }
  return product >>> 0;
}

function doubled(first: number, count: number): number[] {
  const powers: number[] = [];
  for (let power = first; powers.length < count; power = multiply(power, power)) {
    powers.push(power);
  }
  return powers;
}
