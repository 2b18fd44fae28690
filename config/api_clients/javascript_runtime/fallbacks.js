/** The answers that are shown instead of those of a server that is slow or down. */
/** Returns an empty answer; a list to rank keeps its order, and a batch has one empty answer for each placement. */
export function buildFallback(operation, empty, body, path) {
    if (operation === "rank") {
        const { product_ids: productIds } = body;
        const items = productIds.map((id, index) => ({
            product_id: id,
            rank: index + 1,
            score: 0,
            reason: null,
            product: null,
        }));
        return { ...empty, items };
    }
    if (operation === "recommendations_batch") {
        return { ...empty, placements: body.placements.map(buildPlacement) };
    }
    return operation === "recommendations" ? { ...empty, scenario: path[0] } : structuredClone(empty);
}
function buildPlacement(placement) {
    return {
        key: placement.key || placement.scenario,
        scenario: placement.scenario,
        recommendation_id: "",
        strategy: "",
        fallback: null,
        fallback_reason: null,
        empty_reason: null,
        model_version: "",
        stale: false,
        took_ms: 0,
        items: [],
        next_cursor: null,
    };
}
