async () => {
    // Fills the table of the page with 10,000 rows as if they had been predicted.
    const { state, rowOf, add, predicted } = await import("/page/state.js");
    const { arrange } = await import("/page/view.js");
    const names = state.model.properties.map(({ name }) => name);
    add(Array.from({ length: 10000 }, (_, i) => {
        const row = rowOf({ id: `crystal ${i}`, formula: `Na${i % 97}Cl`, status: "ok", reason: "" });
        const values = Object.fromEntries(names.flatMap((name, j) => {
            const value = Math.sin(i * (j + 1));
            return [[name, value], [`${name}_lo`, value - 1], [`${name}_hi`, value + 1]];
        }));
        predicted(row, { ...values, domain: i % 5 ? "in" : "out", status: "ok", reason: "" });
        return row;
    }));
    arrange();
}
