// Turns the text area of a segment's condition into a form with nested groups, the registered fields and a live count.
// The text area holds the saved condition; without this script it can be edited there.
"use strict";

(() => {
  const COUNT_AFTER_MS = 350;
  const SUGGEST_AFTER_MS = 200;
  const COMPARISONS_WITH_NUMBERS = ["lt", "lte", "gt", "gte", "between"];

  function element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.includes("-")) made.setAttribute(name, value);
      else made[name] = value;
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }

  // ---- tree: what the builder edits; "not" is a flag of a group or a comparison.

  function fromJson(raw) {
    if (raw === null || typeof raw !== "object" || Array.isArray(raw)) return group("all", []);
    if ("not" in raw) {
      const inner = fromJson(raw.not);
      return inner.negated ? { ...group("all", [inner]), negated: true } : { ...inner, negated: true };
    }
    for (const every of ["all", "any"]) if (Array.isArray(raw[every])) return group(every, raw[every].map(fromJson));
    if (Array.isArray(raw.sequence) && raw.sequence.length === 2) return { ...raw, type: "sequence", negated: false };
    if ("field" in raw) return { ...raw, type: "comparison", negated: false };
    return group("all", []);
  }

  const group = (every, children) => ({ type: "group", every, children, negated: false });

  function toJson(node, path = "$") {
    node.path = path;
    const inside = node.negated ? `${path}.not` : path;
    let json;
    if (node.type === "group") {
      json = { [node.every]: node.children.map((child, i) => toJson(child, `${inside}.${node.every}[${i}]`)) };
    } else if (node.type === "sequence") {
      json = { sequence: node.sequence, gap_days: node.gap_days };
      for (const name of ["within_days", "between"]) if (node[name] !== undefined) json[name] = node[name];
    } else {
      json = { field: node.field, op: node.op };
      for (const name of ["value", "times", "within_days", "between"]) if (node[name] !== undefined) json[name] = node[name];
    }
    return node.negated ? { not: json } : json;
  }

  const everyNode = (node) => [node, ...(node.children || []).flatMap(everyNode)];

  class Builder {
    constructor(root) {
      this.root = root;
      this.area = document.getElementById(root.dataset.conditionBuilder);
      const { fields, texts, previewUrl, suggestUrl } = JSON.parse(root.querySelector("#condition-builder-data").textContent);
      Object.assign(this, { fields, texts, previewUrl, suggestUrl });
      this.byName = new Map(fields.map((field) => [field.name, field]));
      this.place = root.querySelector("[data-cb-tree]");
      this.count = root.querySelector("[data-cb-count]");
      this.problems = root.querySelector("[data-cb-problems]");
      this.toggle = root.querySelector("[data-cb-toggle]");
      this.numbers = new Intl.NumberFormat(document.documentElement.lang || undefined);
      this.found = [];
      this.ids = 0;
      this.start();
    }

    start() {
      this.root.classList.add("cb-ready");
      this.toggle.hidden = false;
      this.toggle.textContent = this.texts.json;
      this.toggle.addEventListener("click", () => this.switchView());
      this.area.addEventListener("input", () => this.readArea());
      const kind = document.getElementById("id_kind");
      if (kind) kind.addEventListener("change", () => this.showFor(kind));
      if (kind) this.showFor(kind);
      if (!this.readArea()) this.switchView();
    }

    showFor(kind) {
      const isStatic = kind.value === "static";
      this.root.hidden = isStatic;
      const file = document.getElementById("id_list_file");
      const row = file && file.closest(".field-list_file");
      if (row) row.hidden = !isStatic;
    }

    switchView() {
      const asJson = this.root.classList.toggle("cb-json");
      this.toggle.textContent = asJson ? this.texts.builder : this.texts.json;
      if (asJson) this.markProblems();
      else this.draw();
    }

    // Read the tree from the text area; return false if it is not valid JSON.
    readArea() {
      let raw;
      try {
        raw = JSON.parse(this.area.value.trim() || '{"all": []}');
      } catch (error) {
        this.showCount("");
        this.showProblems([{ path: "$", message: this.texts.badJson.replace("%(reason)s", error.message) }]);
        return false;
      }
      const read = fromJson(raw);
      this.tree = read.type === "group" ? read : group("all", [read]);
      for (const node of everyNode(this.tree)) node.isLeft = true; // what was there before may show its problems
      this.raw = raw;
      if (!this.root.classList.contains("cb-json")) this.draw();
      this.askSoon();
      return true;
    }

    // Name a new segment after its conditions until the user types a name.
    suggestName() {
      const input = document.getElementById("id_name");
      if (!input || (input.value && input.value !== this.suggestedName)) return;
      const text = everyNode(this.tree).map((node) => node.label).filter(Boolean).join(", ").slice(0, 200);
      input.value = this.suggestedName = text.charAt(0).toUpperCase() + text.slice(1);
      input.dispatchEvent(new Event("change", { bubbles: true })); // the key follows the name
    }

    // Write a change of the form to the text area.
    changed({ redraw = false } = {}) {
      this.raw = toJson(this.tree);
      this.area.value = JSON.stringify(this.raw, null, 2);
      if (redraw) this.draw();
      this.askSoon();
    }

    draw() {
      toJson(this.tree);
      this.place.replaceChildren(this.drawGroup(this.tree, null));
      this.markProblems();
    }

    drawGroup(node, parent) {
      const choice = this.select([["all", this.texts.all], ["any", this.texts.any]], node.every, this.texts.operator, (value) => {
        node.every = value;
        this.changed();
      });
      const head = element("div", { className: "cb-head" }, this.notBox(node), choice, parent && this.removeButton(node, parent));
      const box = element("div", { className: "cb-group" }, head);
      node.element = box;
      if (!node.children.length && !parent) box.append(element("p", { className: "cb-hint" }, this.texts.allCustomers));
      for (const child of node.children) box.append(this.drawNode(child, node));
      box.append(this.searchBox(node));
      box.append(element("div", { className: "cb-buttons" },
        this.button(this.texts.group, () => this.add(node, group("any", [])))));
      return box;
    }

    drawNode(child, parent) {
      if (child.type === "group") return this.drawGroup(child, parent);
      return child.type === "sequence" ? this.drawSequence(child, parent) : this.drawComparison(child, parent);
    }

    // ---- search: one box finds fields, choices of fields, and products, categories and brands as values of events

    searchBox(node) {
      const id = `cb-search-${(this.ids += 1)}`;
      const list = element("ul", { className: "cb-options", id: `${id}-list`, role: "listbox", hidden: true, "aria-label": this.texts.search });
      const input = element("input", { type: "search", id, className: "cb-search", placeholder: this.texts.search, autocomplete: "off", role: "combobox",
        "aria-label": this.texts.search, "aria-expanded": "false", "aria-controls": list.id, "aria-autocomplete": "list" });
      const state = { input, list, options: [], active: -1, node };
      let timer;
      const look = () => {
        clearTimeout(timer);
        this.showOptions(state, this.matchFields(input.value));
        if (input.value.trim()) timer = setTimeout(() => this.lookUpValues(state, input.value), SUGGEST_AFTER_MS);
      };
      input.addEventListener("input", look);
      input.addEventListener("click", look);
      input.addEventListener("blur", () => setTimeout(() => this.closeOptions(state), 150));
      input.addEventListener("keydown", (event) => this.moveInOptions(state, event));
      return element("div", { className: "cb-search-box" }, input, list);
    }

    matchFields(text) {
      const words = text.trim().toLowerCase();
      const options = [];
      for (const field of this.fields) {
        if (field.name === "traits.") continue;
        const isMatch = !words || field.label.toLowerCase().includes(words) || field.group.toLowerCase().includes(words);
        if (isMatch) options.push({ group: field.group, label: field.label, note: field.help, make: () => this.newComparison(field.name) });
        for (const choice of words ? field.choices : []) {
          if (!choice.label.toLowerCase().includes(words)) continue;
          options.push({ group: field.group, label: `${field.label}: ${choice.label}`, note: "", make: () => this.newChoice(field, choice.value) });
        }
      }
      if (!words || `${this.texts.sequence} ${this.texts.sequenceHelp}`.toLowerCase().includes(words)) {
        const events = this.fields.filter((field) => field.kind === "event");
        options.push({ group: events[0].group, label: this.texts.sequence, note: this.texts.sequenceHelp, make: () => this.newSequence() });
      }
      return options;
    }

    newChoice(field, value) {
      const node = this.newComparison(field.name);
      node.value = Array.isArray(node.value) ? [value] : value;
      return node;
    }

    async lookUpValues(state, text) {
      const response = await fetch(`${this.suggestUrl}?q=${encodeURIComponent(text.trim())}`, { headers: { Accept: "application/json" } }).catch(() => null);
      if (!response || !response.ok || state.input.value !== text) return;
      const { values } = await response.json();
      const options = [];
      for (const found of values) {
        for (const field of this.fields.filter((each) => each.kind === "event" && each.about === found.about && /^(bought|viewed|added)\./.test(each.name))) {
          const count = found.customers[field.name] || 0;
          const note = this.texts.customersOf.replace("%(count)s", this.numbers.format(count));
          const make = () => ({ ...this.newComparison(field.name), value: [found.value] });
          options.push({ group: found.label, label: `${field.label}: ${found.label}`, note, make });
          if (!field.name.startsWith("bought.")) continue;
          const notLately = () => ({ ...this.newComparison(field.name), op: "never", times: undefined, value: [found.value], within_days: 30 });
          options.push({ group: found.label, label: this.texts.butNotLately.replace("%(name)s", `${field.label}: ${found.label}`), note: "", make: () => [make(), notLately()] });
        }
      }
      this.showOptions(state, [...this.matchFields(text), ...options]);
    }

    showOptions(state, options) {
      const { input, list } = state;
      Object.assign(state, { options, active: -1 });
      input.removeAttribute("aria-activedescendant");
      list.replaceChildren();
      let heading = null;
      options.forEach((option, i) => {
        if (option.group !== heading) {
          heading = option.group;
          list.append(element("li", { className: "cb-heading", role: "presentation" }, heading));
        }
        const item = element("li", { className: "cb-option", id: `${input.id}-${i}`, role: "option", "aria-selected": "false" },
          element("span", {}, option.label), option.note ? element("span", { className: "cb-hint" }, option.note) : null);
        item.addEventListener("mousedown", (event) => event.preventDefault());
        item.addEventListener("click", () => this.takeOption(state, i));
        list.append(item);
      });
      if (!options.length) list.append(element("li", { className: "cb-hint", role: "presentation" }, this.texts.searchEmpty));
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
    }

    closeOptions({ input, list }) {
      list.hidden = true;
      input.setAttribute("aria-expanded", "false");
    }

    moveInOptions(state, event) {
      const { input, list, options } = state;
      if (event.key === "Escape") this.closeOptions(state);
      if (event.key === "Enter") {
        event.preventDefault();
        if (options.length && !list.hidden) this.takeOption(state, Math.max(state.active, 0));
      }
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step && list.hidden) this.showOptions(state, this.matchFields(input.value));
      if (!step || !state.options.length) return;
      event.preventDefault();
      const number = state.options.length;
      state.active = state.active < 0 && step < 0 ? number - 1 : (state.active + step + number) % number;
      list.querySelectorAll("[role=option]").forEach((item, i) => item.setAttribute("aria-selected", String(i === state.active)));
      const chosen = document.getElementById(`${input.id}-${state.active}`);
      chosen.scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", chosen.id);
    }

    takeOption(state, i) {
      const option = state.options[i];
      const [first, ...rest] = [option.make()].flat();
      first.label = option.label;
      state.node.children.push(first, ...rest);
      this.suggestName();
      this.changed({ redraw: true });
      const boxes = state.node.element.querySelectorAll(":scope > .cb-search-box .cb-search");
      if (boxes.length) boxes[boxes.length - 1].focus();
    }

    newSequence() {
      return { type: "sequence", negated: false, sequence: [{ field: "viewed.any" }, { field: "bought.any" }], gap_days: 7 };
    }

    drawSequence(node, parent) {
      const row = element("div", { className: "cb-row" }, this.notBox(node));
      node.element = row;
      this.watchLeaving(row, node);
      node.sequence.forEach((step, i) => {
        row.append(element("span", {}, i ? this.texts.then : this.texts.first), this.stepSelect(step));
        if (this.fieldOf(step.field).about !== "any") row.append(this.listInput(step, this.fieldOf(step.field)));
      });
      row.append(element("span", {}, this.texts.gap), this.number(node.gap_days, this.texts.gapDays, (value) => { node.gap_days = value; }), element("span", {}, this.texts.gapDays));
      row.append(...this.periodEditors(node), this.removeButton(node, parent));
      return row;
    }

    stepSelect(step) {
      const events = this.fields.filter((field) => field.kind === "event").map((field) => [field.name, field.label]);
      return this.select(events, step.field, this.texts.field, (name) => {
        step.field = name;
        delete step.value;
        if (this.fieldOf(name).about !== "any") step.value = [];
        this.changed({ redraw: true });
      });
    }

    // The days of an event: ever, in the last days, or between two dates.
    periodEditors(node) {
      const kind = node.between ? "between" : node.within_days !== undefined ? "last" : "ever";
      const choice = this.select([["ever", this.texts.ever], ["last", this.texts.lastDays], ["between", this.texts.betweenDates]], kind, this.texts.period, (value) => {
        delete node.within_days;
        delete node.between;
        if (value === "last") node.within_days = 30;
        if (value === "between") node.between = ["", ""];
        this.changed({ redraw: true });
      });
      if (kind === "last") return [choice, this.number(node.within_days, this.texts.days, (value) => { node.within_days = value; }), element("span", {}, this.texts.days)];
      if (kind === "ever") return [choice];
      const dates = [this.texts.from, this.texts.to].map((label, i) => {
        const input = element("input", { type: "date", value: node.between[i], "aria-label": label });
        input.addEventListener("input", () => {
          node.between[i] = input.value;
          this.changed();
        });
        return input;
      });
      return [choice, dates[0], element("span", {}, this.texts.and), dates[1]];
    }

    // Problems of a part appear when the user has left it.
    watchLeaving(box, node) {
      box.addEventListener("focusout", (event) => {
        if (box.contains(event.relatedTarget) || !box.isConnected) return;
        node.isLeft = true;
        this.markProblems();
      });
    }

    add(node, child) {
      node.children.push(child);
      this.changed({ redraw: true });
    }

    newComparison(name) {
      const field = this.fieldOf(name);
      const node = { type: "comparison", negated: false, field: name };
      this.chooseOperator(node, field, field.kind === "choice" ? "in" : field.operators[0].name);
      return node;
    }

    chooseOperator(node, field, name) {
      node.op = name;
      const { value } = node;
      delete node.value;
      delete node.times;
      const { within_days: days, between } = node;
      delete node.within_days;
      delete node.between;
      const takes = field.operators.find((operator) => operator.name === name).takes;
      if (takes === "many" && field.about !== "any") node.value = Array.isArray(value) && field.kind === "event" ? value : [];
      if (takes === "range") node.value = [null, null];
      if (takes === "days") node.value = 30;
      if (takes === "one") node.value = field.kind === "flag" ? true : field.choices.length ? field.choices[0].value : null;
      if (field.kind !== "event") return;
      if (name !== "never") node.times = 1;
      if (days !== undefined) node.within_days = days;
      if (between !== undefined) node.between = between;
    }

    fieldOf(name) {
      if (this.byName.has(name)) return this.byName.get(name);
      const model = this.byName.get("traits.") || this.fields.find((field) => field.kind === "trait");
      return { ...model, name, label: name.replace(/^traits\./, ""), choices: [], operators: model ? model.operators : [] };
    }

    drawComparison(node, parent) {
      const row = element("div", { className: "cb-row" }, this.notBox(node), this.fieldSelect(node));
      node.element = row;
      this.watchLeaving(row, node);
      const field = this.fieldOf(String(node.field));
      if (String(node.field).startsWith("traits.") && !this.byName.has(node.field)) row.append(this.traitName(node));
      const operators = field.operators.map((operator) => [operator.name, operator.label]);
      row.append(this.select(operators, node.op, this.texts.operator, (value) => {
        this.chooseOperator(node, field, value);
        this.changed({ redraw: true });
      }));
      row.append(...this.valueEditors(node, field).map((part) => (typeof part === "string" ? element("span", {}, part) : part)));
      row.append(this.removeButton(node, parent));
      return row;
    }

    fieldSelect(node) {
      const select = element("select", { "aria-label": this.texts.field });
      const groups = new Map();
      for (const field of this.fields) {
        if (field.name === "traits.") continue;
        if (!groups.has(field.group)) groups.set(field.group, element("optgroup", { label: field.group }));
        groups.get(field.group).append(element("option", { value: field.name, title: field.help }, field.label));
      }
      const other = element("option", { value: "traits." }, this.texts.otherTrait);
      select.append(...groups.values(), other);
      const isOtherTrait = !this.byName.has(node.field) || node.field === "traits.";
      select.value = isOtherTrait ? "traits." : node.field;
      select.addEventListener("change", () => {
        Object.assign(node, this.newComparison(select.value), { negated: node.negated });
        this.changed({ redraw: true });
      });
      return select;
    }

    traitName(node) {
      const input = element("input", { type: "text", value: node.field.replace(/^traits\./, ""), placeholder: this.texts.trait, "aria-label": this.texts.trait });
      input.addEventListener("input", () => {
        node.field = `traits.${input.value}`;
        this.changed();
      });
      return input;
    }

    valueEditors(node, field) {
      const operator = field.operators.find((each) => each.name === node.op);
      const editors = [];
      if (!operator || operator.takes === "nothing") return editors;
      if (operator.takes === "days") editors.push(this.number(node.value, this.texts.days, (value) => { node.value = value; }), this.texts.days);
      if (operator.takes === "range") editors.push(...this.range(node, field));
      if (operator.takes === "one") editors.push(this.singleInput(node.value, field, node.op, (value) => { node.value = value; }));
      if (field.kind === "event") editors.push(...this.eventEditors(node, field));
      else if (operator.takes === "many") editors.push(this.listInput(node, field));
      return editors;
    }

    range(node, field) {
      if (!Array.isArray(node.value)) node.value = [null, null];
      const at = (i, label) => this.singleInput(node.value[i], field, "between", (value) => { node.value[i] = value; }, label);
      return [at(0, this.texts.from), this.texts.and, at(1, this.texts.to)];
    }

    eventEditors(node, field) {
      const times = node.op === "never" ? [] : [this.number(node.times === undefined ? 1 : node.times, this.texts.times, (value) => { node.times = value; }), this.texts.timesUnit];
      const what = field.about === "any" ? [] : [this.listInput(node, field)];
      return [...what, ...times, ...this.periodEditors(node)];
    }

    singleInput(value, field, op, set, label = this.texts.value) {
      const change = (made) => {
        set(made);
        this.changed();
      };
      if (field.kind === "flag") {
        return this.select([["true", this.texts.yes], ["false", this.texts.no]], String(value), label, (text) => change(text === "true"));
      }
      if (field.choices.length) return this.select(field.choices.map((each) => [each.value, each.label]), value, label, change);
      const isNumber = ["number", "whole"].includes(field.kind) || (field.kind === "trait" && COMPARISONS_WITH_NUMBERS.includes(op));
      if (isNumber) return this.number(value, label, set, field.kind === "whole" ? "1" : "any");
      const isDay = ["moment", "coming"].includes(field.kind) && /^(\d{4}-\d\d-\d\d)?$/.test(value || "");
      const input = element("input", { type: isDay ? "date" : "text", value: value === null || value === undefined ? "" : String(value), "aria-label": label });
      input.addEventListener("input", () => change(input.value));
      if (!isDay) this.suggests(input, field);
      return input;
    }

    number(value, label, set, step = "1") {
      const input = element("input", { type: "number", step, value: value === null || value === undefined ? "" : value, "aria-label": label });
      input.addEventListener("input", () => {
        set(input.value === "" ? null : Number(input.value));
        this.changed();
      });
      return input;
    }

    listInput(node, field) {
      if (!Array.isArray(node.value)) node.value = [];
      if (field.about === "product") return this.productPicker(node);
      return field.choices.length ? this.choices(node, field) : this.chips(node, field);
    }

    productPicker(node) {
      const picker = document.importNode(this.root.querySelector("[data-cb-picker]").content.firstElementChild, true);
      const source = picker.querySelector("textarea");
      source.value = node.value.join("\n");
      source.addEventListener("change", () => {
        node.value = [...new Set(source.value.split("\n").map((line) => line.trim()).filter(Boolean))];
        this.changed();
      });
      return picker;
    }

    choices(node, field) {
      const box = element("span", { className: "cb-choices", role: "group", "aria-label": this.texts.value });
      for (const { value, label } of field.choices) {
        const tick = element("input", { type: "checkbox", checked: node.value.includes(value) });
        tick.addEventListener("change", () => {
          node.value = field.choices.map((each) => each.value).filter((each) => (each === value ? tick.checked : node.value.includes(each)));
          this.changed();
        });
        box.append(element("label", { className: "cb-choice" }, tick, label));
      }
      return box;
    }

    chips(node, field) {
      const box = element("span", { className: "cb-values" });
      node.value.forEach((value, i) => {
        const remove = element("button", { type: "button", "aria-label": `${this.texts.remove} ${value}` }, "×");
        remove.addEventListener("click", () => {
          node.value.splice(i, 1);
          this.changed({ redraw: true });
        });
        box.append(element("span", { className: "cb-chip" }, String(value).replaceAll(" > ", " › "), remove));
      });
      const input = element("input", { type: "text", placeholder: this.texts.add, title: this.texts.addHint, "aria-label": this.texts.add });
      const take = () => {
        const added = (field.name.endsWith("category") ? [input.value] : input.value.split(/[,，]/)).map((text) => text.trim()).filter(Boolean);
        if (!added.length) return;
        node.value.push(...added.filter((text) => !node.value.includes(text)));
        this.changed({ redraw: true });
      };
      input.addEventListener("keydown", (event) => {
        if (event.key !== "Enter") return;
        event.preventDefault();
        take();
      });
      input.addEventListener("change", take);
      this.suggests(input, field);
      box.append(input);
      return box;
    }

    suggests(input, field) {
      if (!["event", "names", "segment", "text"].includes(field.kind)) return;
      const list = element("datalist", { id: `cb-list-${(this.ids += 1)}` });
      input.setAttribute("list", list.id);
      input.setAttribute("autocomplete", "off");
      let timer;
      const ask = () => {
        clearTimeout(timer);
        timer = setTimeout(async () => {
          const address = `${this.suggestUrl}?field=${encodeURIComponent(field.name)}&q=${encodeURIComponent(input.value)}`;
          const response = await fetch(address, { headers: { Accept: "application/json" } }).catch(() => null);
          if (!response || !response.ok) return; // suggestions are optional; typing works without them
          const { names } = await response.json();
          list.replaceChildren(...names.map((name) => element("option", { value: name })));
        }, SUGGEST_AFTER_MS);
      };
      input.addEventListener("focus", () => {
        if (!list.isConnected) input.after(list);
        ask();
      });
      input.addEventListener("input", ask);
    }

    notBox(node) {
      const box = element("input", { type: "checkbox", checked: node.negated });
      box.addEventListener("change", () => {
        node.negated = box.checked;
        this.changed();
      });
      return element("label", { className: "cb-not" }, box, this.texts.not);
    }

    select(options, value, label, change) {
      const select = element("select", { "aria-label": label });
      for (const [name, text] of options) select.append(element("option", { value: name }, text));
      if (!options.some(([name]) => name === value)) select.prepend(element("option", { value: value ?? "" }, value ?? "–"));
      select.value = value ?? "";
      select.addEventListener("change", () => change(select.value));
      return select;
    }

    button(text, click) {
      const made = element("button", { type: "button", className: "cb-button" }, `+ ${text}`);
      made.addEventListener("click", click);
      return made;
    }

    removeButton(node, parent) {
      const made = element("button", { type: "button", className: "cb-remove", title: this.texts.remove, "aria-label": this.texts.remove }, "×");
      made.addEventListener("click", () => {
        parent.children.splice(parent.children.indexOf(node), 1);
        this.suggestName();
        this.changed({ redraw: true });
      });
      return made;
    }

    // ---- the count and the problems

    askSoon() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.ask(), COUNT_AFTER_MS);
    }

    async ask() {
      if (this.asking) this.asking.abort();
      const asking = (this.asking = new AbortController());
      this.showCount(this.texts.counting);
      const key = document.getElementById("id_key");
      const keyText = key ? key.value : this.root.dataset.segmentKey || "";
      try {
        const response = await fetch(this.previewUrl, {
          method: "POST",
          signal: asking.signal,
          headers: { "Content-Type": "application/json", "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value },
          body: JSON.stringify({ condition: this.raw, key: keyText }),
        });
        const answer = await response.json();
        const text = this.texts.customersOf.replace("%(count)s", this.numbers.format(answer.count));
        this.showCount(response.ok ? text : "");
        this.count.title = response.ok ? this.texts.counted.replace("%(ms)s", this.numbers.format(answer.duration_ms || 0)) : "";
        this.showProblems(answer.problems || []);
      } catch (error) {
        if (error.name !== "AbortError") this.showCount(this.texts.unreachable.replace("%(reason)s", error.message));
      }
    }

    showCount(text) {
      this.count.textContent = text;
    }

    showProblems(problems) {
      this.found = problems;
      this.markProblems();
    }

    problemLine(problem) {
      // only those who edit the JSON know its paths
      const path = this.root.classList.contains("cb-json") ? [element("code", {}, problem.path)] : [];
      return element("p", { className: "cb-problem" }, ...path, problem.message);
    }

    // Show each problem next to the part of the form whose path is its longest prefix.
    markProblems() {
      if (!this.tree) {
        this.problems.hidden = !this.found.length;
        this.problems.replaceChildren(...this.found.map((problem) => this.problemLine(problem)));
        return;
      }
      this.place.querySelectorAll(".cb-problem").forEach((line) => line.remove());
      this.place.querySelectorAll(".cb-invalid").forEach((part) => part.classList.remove("cb-invalid"));
      const nodes = everyNode(this.tree).filter((node) => node.element);
      const elsewhere = [];
      for (const problem of this.found) {
        const near = nodes.filter((node) => problem.path.startsWith(node.path)).sort((a, b) => b.path.length - a.path.length)[0];
        if (!near || near.type === "group") {
          elsewhere.push(problem);
        } else if (near.isLeft && !near.element.contains(document.activeElement)) {
          near.element.classList.add("cb-invalid");
          near.element.append(this.problemLine(problem));
        }
      }
      const shown = this.root.classList.contains("cb-json") ? this.found : elsewhere.filter((problem) => problem.code !== "empty");
      this.problems.hidden = !shown.length;
      this.problems.replaceChildren();
      if (shown.length) this.problems.append(element("p", { className: "cb-problem" }, this.texts.invalid), ...shown.map((problem) => this.problemLine(problem)));
      if (this.found.length) this.showCount(this.texts.incomplete);
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-condition-builder]").forEach((root) => {
      const fold = root.closest("details:not([open])"); // a builder that is folded away counts nothing before it is opened
      if (fold) fold.addEventListener("toggle", () => new Builder(root), { once: true });
      else new Builder(root);
    });
  });
})();
