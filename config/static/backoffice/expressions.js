// Evaluates the expressions in the attributes of Alpine.js without `new Function`, so that the content security policy needs no
// 'unsafe-eval'. Supports what the pages of unfold use: literals, operators, assignments, calls, templates, if, const and functions
// without return.
"use strict";

(() => {
  const TOKEN = /\s*(?:(\d+\.?\d*)|([A-Za-z_$][\w$]*)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(=>|===|!==|==|!=|<=|>=|&&|\|\||\?\?|\?\.(?!\d)|\+\+|--|\+=|-=|\*=|\/=|[-+*\/%<>=!?:;,.(){}[\]])|(`))/y;
  const ESCAPES = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f", v: "\v", 0: "\0" };
  const WORDS = { true: true, false: false, null: null, undefined: undefined };
  // Any of these leads to a function's code or to another object's prototype.
  const FORBIDDEN = new Set(["constructor", "__proto__", "prototype", "__defineGetter__", "__defineSetter__"]);
  const LEVELS = [["??"], ["||"], ["&&"], ["===", "!==", "==", "!="], ["<", ">", "<=", ">=", "in"], ["+", "-"], ["*", "/", "%"]];
  const OPERATORS = {
    "===": (a, b) => a === b, "!==": (a, b) => a !== b,
    "==": (a, b) => a == b, "!=": (a, b) => a != b, // eslint-disable-line eqeqeq
    "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b, "in": (a, b) => a in b,
    "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b, "%": (a, b) => a % b,
  };

  const unescape = (text) =>
    text.replace(/\\(?:u([\da-fA-F]{4})|x([\da-fA-F]{2})|(.))/gs, (_all, unicode, hex, letter) =>
      letter === undefined ? String.fromCharCode(parseInt(unicode || hex, 16)) : ESCAPES[letter] ?? letter);

  function tokenize(text) {
    const tokens = [];
    let position = 0;
    while (/\S/.test(text.slice(position))) {
      TOKEN.lastIndex = position;
      const match = TOKEN.exec(text);
      if (!match) throw new SyntaxError(`Unexpected character at ${position} of ${text}`);
      const [, number, word, string, sign, tick] = match;
      position = TOKEN.lastIndex;
      if (number !== undefined) tokens.push({ type: "value", value: Number(number) });
      else if (word !== undefined) tokens.push({ type: "word", value: word });
      else if (string !== undefined) tokens.push({ type: "value", value: unescape(string.slice(1, -1)) });
      else if (sign !== undefined) tokens.push({ type: "sign", value: sign });
      else if (tick) position = readTemplate(text, position, tokens);
    }
    return tokens;
  }

  // Adds a template literal as a token with its texts and the parsed expressions between them.
  function readTemplate(text, start, tokens) {
    const texts = [""], expressions = [];
    for (let i = start; i < text.length; i++) {
      if (text[i] === "`") {
        tokens.push({ type: "template", texts: texts.map(unescape), expressions });
        return i + 1;
      }
      if (text[i] === "$" && text[i + 1] === "{") {
        let depth = 1, end = i + 2;
        for (; end < text.length && depth; end++) depth += { "{": 1, "}": -1 }[text[end]] || 0;
        expressions.push(parse(text.slice(i + 2, end - 1)));
        texts.push("");
        i = end - 1;
      } else {
        texts[texts.length - 1] += text[i] === "\\" ? text[i] + text[++i] : text[i];
      }
    }
    throw new SyntaxError(`A template literal does not end: ${text}`);
  }

  const check = (name) => {
    if (FORBIDDEN.has(String(name))) throw new TypeError(`An expression must not use ${String(name)}.`);
    return name;
  };

  // A reference to a variable: of the component, otherwise of the window.
  const variable = (name) => {
    check(name);
    const holder = (scope) => (name in scope ? scope : globalThis);
    return {
      holder,
      get: (scope) => {
        const owner = holder(scope);
        if (!(name in owner)) throw new ReferenceError(`${name} is not defined`);
        return owner[name];
      },
      set: (scope, value) => (holder(scope)[name] = value),
      receiver: (scope) => (name in scope ? scope : undefined),
    };
  };
  const member = (object, key, isOptional) => {
    const read = (owner, scope) => (owner == null && isOptional ? undefined : owner[check(key(scope))]);
    return {
      get: (scope) => read(object.get(scope), scope),
      set: (scope, value) => (object.get(scope)[check(key(scope))] = value),
      call: (scope, getArguments, isOptionalCall) => {
        const owner = object.get(scope), called = read(owner, scope);
        return called == null && (isOptional || isOptionalCall) ? undefined : called.apply(owner, getArguments(scope));
      },
    };
  };

  // A scope with variables of its own: those of a function or of const.
  const LOCALS = new WeakMap();
  function extend(scope, locals) {
    const extended = new Proxy(locals, {
      has: (_locals, name) => Object.hasOwn(locals, name) || name in scope,
      get: (_locals, name) => (Object.hasOwn(locals, name) ? locals[name] : scope[name]),
      set: (_locals, name, value) => { (Object.hasOwn(locals, name) ? locals : scope)[name] = value; return true; },
    });
    LOCALS.set(extended, locals);
    return extended;
  }

  function parse(text) {
    const tokens = tokenize(text);
    let next = 0;
    const peek = (value) => tokens[next]?.value === value && ["sign", "word"].includes(tokens[next].type);
    const take = (value) => peek(value) && (next++, true);
    const fail = () => { throw new SyntaxError(`Unexpected ${tokens[next]?.value ?? "end"} in ${text}`); };
    const expect = (value) => take(value) || fail();
    const constant = (value) => ({ get: () => value });

    function parseProgram(end) {
      const statements = [];
      let declares = false;
      while (next < tokens.length && !(end && peek(end))) {
        declares = declares || peek("const") || peek("let");
        if (!take(";")) statements.push(parseStatement());
      }
      const run = (scope) => statements.reduce((_last, statement) => statement.get(scope), undefined);
      return { get: declares ? (scope) => run(extend(scope, {})) : run };
    }

    const readName = () => (tokens[next]?.type === "word" ? check(tokens[next++].value) : fail());

    function parseStatement() {
      if (take("const") || take("let")) {
        const name = readName();
        expect("=");
        const value = parseExpression();
        return { get: (scope) => { LOCALS.get(scope)[name] = value.get(scope); } };
      }
      if (take("if")) {
        expect("(");
        const condition = parseExpression();
        expect(")");
        const yes = parseBlock();
        take(";");
        const no = take("else") ? parseBlock() : constant(undefined);
        return { get: (scope) => (condition.get(scope) ? yes : no).get(scope) };
      }
      const expression = parseExpression();
      if (next < tokens.length && !peek(";") && !peek("}")) fail();
      return expression;
    }

    function parseBlock() {
      if (!take("{")) return parseStatement();
      const block = parseProgram("}");
      expect("}");
      return block;
    }

    // The position after `name =>` or `(names) =>`, if these tokens are next.
    function findArrow() {
      let i = next;
      if (tokens[i]?.type === "word") i++;
      else if (peek("(")) {
        for (i++; tokens[i]?.type === "word" || tokens[i]?.value === ","; i++);
        if (tokens[i++]?.value !== ")") return false;
      } else return false;
      return tokens[i]?.type === "sign" && tokens[i].value === "=>";
    }

    function parseParameters() {
      if (!take("(")) return [readName()];
      const names = [];
      while (!take(")")) {
        names.push(readName());
        if (!peek(")")) expect(",");
      }
      return names;
    }

    function parseFunction() {
      const isArrow = !take("function");
      const names = parseParameters();
      if (isArrow) expect("=>");
      const isBlock = peek("{");
      const body = isBlock ? parseBlock() : isArrow ? parseExpression() : fail();
      const call = (scope, values) => body.get(extend(scope, Object.fromEntries(names.map((name, i) => [name, values[i]]))));
      return { get: (scope) => (...values) => (isBlock ? void call(scope, values) : call(scope, values)) };
    }

    function parseExpression() {
      if (peek("function") || findArrow()) return parseFunction();
      const left = parseConditional();
      for (const sign of ["=", "+=", "-=", "*=", "/="]) {
        if (take(sign)) {
          if (!left.set) fail();
          const right = parseExpression();
          if (sign === "=") return { get: (scope) => left.set(scope, right.get(scope)) };
          return { get: (scope) => left.set(scope, OPERATORS[sign[0]](left.get(scope), right.get(scope))) };
        }
      }
      return left;
    }

    function parseConditional() {
      const condition = parseBinary(0);
      if (!take("?")) return condition;
      const yes = parseExpression();
      expect(":");
      const no = parseExpression();
      return { get: (scope) => (condition.get(scope) ? yes : no).get(scope) };
    }

    function parseBinary(level) {
      if (level === LEVELS.length) return parseUnary();
      let left = parseBinary(level + 1);
      for (let sign; (sign = LEVELS[level].find(take)); ) {
        const before = left, right = parseBinary(level + 1);
        if (sign === "??") left = { get: (scope) => before.get(scope) ?? right.get(scope) };
        else if (sign === "||") left = { get: (scope) => before.get(scope) || right.get(scope) };
        else if (sign === "&&") left = { get: (scope) => before.get(scope) && right.get(scope) };
        else {
          const operate = OPERATORS[sign];
          left = { get: (scope) => operate(before.get(scope), right.get(scope)) };
        }
      }
      return left;
    }

    function parseUnary() {
      if (take("!")) { const value = parseUnary(); return { get: (scope) => !value.get(scope) }; }
      if (take("-")) { const value = parseUnary(); return { get: (scope) => -value.get(scope) }; }
      if (take("+")) { const value = parseUnary(); return { get: (scope) => +value.get(scope) }; }
      if (take("typeof")) { const value = parseUnary(); return { get: (scope) => typeof value.get(scope) }; }
      for (const [sign, step] of [["++", 1], ["--", -1]]) {
        if (take(sign)) {
          const target = parseUnary();
          if (!target.set) fail();
          return { get: (scope) => target.set(scope, target.get(scope) + step) };
        }
      }
      const value = parseCalls(parsePrimary());
      for (const [sign, step] of [["++", 1], ["--", -1]]) {
        if (value.set && take(sign)) {
          return { get: (scope) => { const old = value.get(scope); value.set(scope, old + step); return old; } };
        }
      }
      return value;
    }

    function parseCalls(value) {
      for (;;) {
        const isOptional = take("?.");
        if (take("(")) {
          value = call(value, parseList(")"), isOptional);
        } else if (take("[")) {
          const key = parseExpression();
          expect("]");
          value = member(value, key.get, isOptional);
        } else if (isOptional || take(".")) {
          if (tokens[next]?.type !== "word") fail();
          const name = tokens[next++].value;
          value = member(value, () => name, isOptional);
        } else return value;
      }
    }

    function call(called, list, isOptional) {
      const getArguments = (scope) => list.map((item) => item.get(scope));
      if (called.call) return { get: (scope) => called.call(scope, getArguments, isOptional) };
      return {
        get: (scope) => {
          const value = called.get(scope);
          return value == null && isOptional ? undefined : value.apply(called.receiver?.(scope), getArguments(scope));
        },
      };
    }

    function parseList(end) {
      const list = [];
      while (!take(end)) {
        list.push(parseExpression());
        if (!peek(end)) expect(",");
      }
      return list;
    }

    function parsePrimary() {
      const token = tokens[next++];
      if (!token) { next--; fail(); }
      if (token.type === "value") return constant(token.value);
      if (token.type === "template") {
        return { get: (scope) => token.texts.reduce((text, part, i) => text + token.expressions[i - 1].get(scope) + part) };
      }
      if (token.type === "word" && token.value === "new") return parseNew();
      if (token.type === "word") return token.value in WORDS ? constant(WORDS[token.value]) : variable(token.value);
      if (token.value === "(") {
        const inner = parseExpression();
        expect(")");
        return { get: inner.get };
      }
      if (token.value === "[") {
        const list = parseList("]");
        return { get: (scope) => list.map((item) => item.get(scope)) };
      }
      if (token.value === "{") return parseObject();
      next--;
      return fail();
    }

    function parseNew() {
      let made = parsePrimary();
      while (take(".")) {
        const { value: name } = tokens[next++] ?? fail();
        made = member(made, () => name, false);
      }
      const list = take("(") ? parseList(")") : [];
      return { get: (scope) => new (made.get(scope))(...list.map((item) => item.get(scope))) };
    }

    function parseObject() {
      const pairs = [];
      while (!take("}")) {
        const token = tokens[next++];
        if (!token || !["word", "value"].includes(token.type)) { next--; fail(); }
        const name = check(token.value);
        const value = take(":") || token.type === "value" ? parseExpression() : variable(name);
        pairs.push([name, value]);
        if (!peek("}")) expect(",");
      }
      return { get: (scope) => Object.fromEntries(pairs.map(([name, value]) => [name, value.get(scope)])) };
    }

    return parseProgram();
  }

  const programs = new Map();
  function compile(expression) {
    if (!programs.has(expression)) programs.set(expression, parse(expression));
    return programs.get(expression);
  }

  // The scope of an element: values of the event, magics such as $el, and the data of the element and those around it.
  function buildScope(Alpine, element, extra) {
    const magics = {};
    Alpine.injectMagics(magics, element);
    return Alpine.mergeProxies([extra, magics, ...Alpine.closestDataStack(element)]);
  }

  function run(Alpine, element, expression, { scope = {}, params = [] } = {}) {
    const complete = buildScope(Alpine, element, scope);
    const value = typeof expression === "function" ? expression : compile(expression).get(complete);
    return typeof value === "function" ? value.apply(complete, params) : value;
  }

  function report(error, element, expression) {
    console.warn(`Alpine expression error: ${error.message}\n${expression}`, element);
    setTimeout(() => { throw error; }, 0);
  }

  document.addEventListener("alpine:init", () => {
    const Alpine = window.Alpine;
    Alpine.setEvaluator((element, expression) => (receive = () => {}, options = {}) => {
      try {
        const value = run(Alpine, element, expression, options);
        if (value instanceof Promise) value.then(receive).catch((error) => report(error, element, expression));
        else receive(value);
      } catch (error) {
        report(error, element, expression);
      }
    });
    Alpine.setRawEvaluator((element, expression, options) => run(Alpine, element, expression, options));
  });

  window.perennialExpressions = { evaluate: (expression, scope = {}) => compile(expression).get(scope) }; // for tests
})();
