/**
 * Calculates the CRC-32 of gzip (RFC 1952, section 8) of a text from the CRCs of its parts.
 *
 * A CRC is the remainder of a division of polynomials over GF(2). The CRC of A followed by B is
 * the CRC of A, shifted by the length of B, plus the CRC of B. The highest bit of a number is
 * the coefficient of the power 0.
 */

const POLYNOMIAL = 0xedb88320;
const ONE = 0x80000000;

/** x to the power of 8 (one byte), 16, 32 and so on: enough for lengths below 2^32 bytes. */
const SHIFTS = doubled(0x00800000, 32);

/** The CRC of two parts in a row; `length` is the length of the second in bytes. */
export function concatenateCrcs(first: number, second: number, length: number): number {
  return (multiply(shiftBy(length), first) ^ second) >>> 0;
}

/** The factor that shifts a remainder by so many bytes. */
function shiftBy(bytes: number): number {
  let shift = ONE;
  for (let bit = 0, rest = bytes; rest > 0; bit++, rest >>>= 1) {
    if (rest & 1) shift = multiply(SHIFTS[bit] ?? ONE, shift);
  }
  return shift;
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
