/**
 * Finds the filters that match a topic, in time that depends on the topic and not on the number of filters.
 * @module
 */
import { unshared } from "../protocol/topic.ts";

class TreeNode<T> {
  readonly children = new Map<string, TreeNode<T>>();
  /** Values whose filter ends here. */
  readonly values: T[] = [];
}

export class TopicTree<T> {
  readonly #root = new TreeNode<T>();

  add(filter: string, value: T): void {
    let node = this.#root;
    for (const level of unshared(filter).split("/")) {
      let child = node.children.get(level);
      if (child === undefined) node.children.set(level, child = new TreeNode<T>());
      node = child;
    }
    node.values.push(value);
  }

  remove(filter: string, value: T): void {
    this.#remove(this.#root, unshared(filter).split("/"), 0, value);
  }

  #remove(node: TreeNode<T>, levels: string[], depth: number, value: T): void {
    const level = levels[depth];
    if (level === undefined) {
      const index = node.values.indexOf(value);
      if (index >= 0) node.values.splice(index, 1);
      return;
    }
    const child = node.children.get(level);
    if (child === undefined) return;
    this.#remove(child, levels, depth + 1, value);
    if (child.values.length === 0 && child.children.size === 0) node.children.delete(level);
  }

  /** The values whose filter matches the topic. */
  matching(topic: string): T[] {
    return this.#find(topic);
  }

  /** The values whose filter matches everything that `filter` matches, `filter` itself included. */
  covering(filter: string): T[] {
    return this.#find(unshared(filter));
  }

  // A wildcard in `path` is only met by itself or something wider, which is just what looking it up as a name gives.
  #find(path: string): T[] {
    const found: T[] = [];
    this.#walk(this.#root, path.split("/"), 0, path.startsWith("$"), found);
    return found;
  }

  #walk(node: TreeNode<T>, levels: string[], depth: number, hidden: boolean, found: T[]): void {
    const wild = !(hidden && depth === 0);
    const rest = wild ? node.children.get("#") : undefined;
    if (rest !== undefined) found.push(...rest.values);
    const level = levels[depth];
    if (level === undefined) {
      found.push(...node.values);
      return;
    }
    if (level === "#") return;
    const one = wild ? node.children.get("+") : undefined;
    if (one !== undefined) this.#walk(one, levels, depth + 1, hidden, found);
    if (level === "+") return;
    const same = node.children.get(level);
    if (same !== undefined) this.#walk(same, levels, depth + 1, hidden, found);
  }
}
