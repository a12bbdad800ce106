/** Items of clients, grouped by the client's address, so that one address does not displace the others. Pure. */

export class ByAddress<Item> {
  readonly #addresses = new Map<Item, string | undefined>();
  /** The oldest first. */
  readonly #items = new Map<string | undefined, Set<Item>>();

  get size(): number {
    return this.#addresses.size;
  }

  add(item: Item, address: string | undefined): void {
    this.#addresses.set(item, address);
    this.#items.set(address, (this.#items.get(address) ?? new Set()).add(item));
  }

  delete(item: Item): void {
    const address = this.#addresses.get(item);
    this.#addresses.delete(item);
    const items = this.#items.get(address);
    items?.delete(item);
    if (items?.size === 0) this.#items.delete(address);
  }

  /** Takes one of the address that has the most. */
  takeFromLargest(which: 'oldest' | 'newest'): Item | undefined {
    const sets = [...this.#items.values()];
    const most = Math.max(...sets.map(({ size }) => size));
    const items = [...(sets.find(({ size }) => size === most) ?? [])];
    return this.#takeFrom(which === 'oldest' ? items : items.slice(-1));
  }

  /** Takes the oldest of an address. The addresses take turns. */
  takeNext(): Item | undefined {
    const [[address, items] = []] = this.#items;
    const item = this.#takeFrom(items);
    if (items !== undefined && this.#items.delete(address)) this.#items.set(address, items);
    return item;
  }

  #takeFrom([item]: Iterable<Item> = []): Item | undefined {
    if (item !== undefined) this.delete(item);
    return item;
  }
}
