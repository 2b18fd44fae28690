/** The answers that are shown instead of those of a server that is slow or down. */

interface Placement {
  key?: string;
  scenario: string;
}

/** Returns an empty answer; a list to rank keeps its order, and a batch has one empty answer for each placement. */
export function buildFallback(
  operation: string,
  empty: Record<string, unknown>,
  body: unknown,
  path: readonly string[],
): Record<string, unknown> {
  if (operation === "rank") {
    const { product_ids: productIds } = body as { product_ids: string[] };
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
    return { ...empty, placements: (body as { placements: Placement[] }).placements.map(buildPlacement) };
  }
  return operation === "recommendations" ? { ...empty, scenario: path[0] } : structuredClone(empty);
}

function buildPlacement(placement: Placement): Record<string, unknown> {
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
