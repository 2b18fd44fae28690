"""Writes the measured tables of docs/capacity.md, in both languages, from the file of costs; nothing in them is entered by hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.capacity import (
    DOCS_FILES,
    MAX_ERROR,
    PARTS,
    TABLE_CUSTOMERS,
    MachineSize,
    ShopNumbers,
    compare_large_shop,
    describe_limit,
    find_limit,
    format_number,
    predict_needs,
)

MARK = "<!-- {name} -->\n{text}\n<!-- end {name} -->"

# English, Chinese, cost, factor, unit
COST_ROWS = (
    ("Collector, web server", "采集接口，Web 服务器", "ingest_web_cpu_s", 1e6, "µs"),
    ("Collector, PostgreSQL and Valkey", "采集接口，PostgreSQL 与 Valkey", "ingest_postgres_cpu_s", 1e6, "µs"),
    ("Processing, worker", "事件处理，工作进程", "process_app_cpu_s", 1e6, "µs"),
    ("Processing, PostgreSQL and Valkey", "事件处理，PostgreSQL 与 Valkey", "process_postgres_cpu_s", 1e6, "µs"),
    ("Import of events", "导入事件", "import_events_app_cpu_s", 1e6, "µs"),
    ("Import of events, PostgreSQL", "导入事件，PostgreSQL", "import_events_postgres_cpu_s", 1e6, "µs"),
    ("Import of customers", "导入客户", "load_customers_app_cpu_s", 1e6, "µs"),
    ("Import of customers, PostgreSQL", "导入客户，PostgreSQL", "load_customers_postgres_cpu_s", 1e6, "µs"),
    ("Import of order lines", "导入订单行", "load_orders_app_cpu_s", 1e6, "µs"),
    ("Import of order lines, PostgreSQL", "导入订单行，PostgreSQL", "load_orders_postgres_cpu_s", 1e6, "µs"),
    ("Export to the warehouse", "导出到数据仓库", "export_cpu_s", 1e6, "µs"),
    ("Nightly refresh", "每晚刷新", "refresh_app_cpu_s", 1e6, "µs"),
    ("Nightly refresh, PostgreSQL", "每晚刷新，PostgreSQL", "refresh_postgres_cpu_s", 1e6, "µs"),
    ("One fit of every algorithm", "每种算法拟合一次", "training_cpu_s", 1e6, "µs"),
    ("Funnel", "漏斗", "funnel_cpu_s", 1e6, "µs"),
    ("Recommendation, web server", "推荐请求，Web 服务器", "request_web_cpu_us", 1, "µs"),
    ("Recommendation, Valkey", "推荐请求，Valkey", "request_valkey_cpu_us", 1, "µs"),
    ("Email, worker and PostgreSQL", "邮件，工作进程与 PostgreSQL", "sending_cpu_s", 1e6, "µs"),
    ("PostgreSQL: events", "PostgreSQL：事件", "postgres_events_bytes", 1, "B"),
    ("PostgreSQL: orders", "PostgreSQL：订单", "postgres_orders_bytes", 1, "B"),
    ("PostgreSQL: customers and profiles", "PostgreSQL：客户与画像", "postgres_customers_bytes", 1, "B"),
    ("PostgreSQL: products", "PostgreSQL：商品", "postgres_products_bytes", 1, "B"),
    ("PostgreSQL: other tables", "PostgreSQL：其他表", "postgres_other_bytes", 1, "B"),
    ("Valkey", "Valkey", "valkey_bytes", 1, "B"),
    ("Warehouse (Parquet)", "数据仓库（Parquet）", "warehouse_bytes", 1, "B"),
    ("Model on disk", "磁盘上的模型", "model_bytes", 1, "B"),
    ("Memory: refresh", "内存：刷新", "refresh_mb", 1e6, "B"),
    ("Memory: training", "内存：训练", "training_mb", 1e6, "B"),
    ("Memory: two web workers", "内存：两个 Web 进程", "web_mb", 1e6, "B"),
)  # fmt: skip
SIZE_NAMES = {
    "events": ("event", "事件"),
    "live_events": ("event", "事件"),
    "customers": ("customer", "客户"),
    "products": ("product", "商品"),
    "interactions": ("interaction", "交互"),
    "lines": ("order line", "订单行"),
    "emails": ("email", "邮件"),
}
COST_HEADER = ("| | fixed | grows by |\n|---|---|---|", "| | 固定 | 增量 |\n|---|---|---|")
GROWTH_NAMES = {
    "import_orders": ("import of orders", "导入订单"),
    "import_events": ("import of events", "导入事件"),
    "process_imported": ("processing of imported events", "处理导入的事件"),
    "export": ("export to the warehouse", "导出到数据仓库"),
    "refresh": ("first refresh", "首次刷新"),
    "nightly_refresh": ("nightly refresh", "每晚刷新"),
    "training": ("training", "训练"),
    "funnel": ("funnel", "漏斗"),
    "ingest": ("collector", "采集接口"),
    "processing": ("processing of live events", "处理实时事件"),
    "serving": ("recommendation (µs per request)", "推荐请求（微秒/请求）"),
    "sending": ("sending", "发送"),
}
NEED_NAMES = {
    "events": ("events kept", "保留的事件"),
    "peak_events_per_s": ("events per second in the busiest hour", "最忙一小时的每秒事件数"),
    "peak_requests_per_s": ("requests per second in the busiest hour", "最忙一小时的每秒请求数"),
    "web_cores": ("web servers: cores in the busiest hour", "Web 服务器：最忙一小时的核数"),
    "worker_cores": ("worker: cores in the busiest hour", "工作进程：最忙一小时的核数"),
    "postgres_cores": ("PostgreSQL and Valkey: cores in the busiest hour", "PostgreSQL 与 Valkey：最忙一小时的核数"),
    "refresh_hours": ("nightly refresh: hours of one core", "每晚刷新：单核小时"),
    "training_hours": ("one fit of every algorithm, without tuning: hours of one core", "每种算法拟合一次（不含调参）：单核小时"),
    "export_hours": ("nightly export: hours of one core", "每日导出：单核小时"),
    "night_hours": ("refresh, fit and export together: hours of one core", "刷新、拟合与导出合计：单核小时"),
    "import_hours": ("import of the history, once: hours of one core", "一次性导入历史：单核小时"),
    "funnel_cpu_s": ("funnel over everything: seconds of one core", "全量漏斗：单核秒"),
    "refresh_gb": ("refresh: GB of memory", "刷新：内存 GB"),
    "training_gb": ("training without a limit: GB of memory", "训练（不设上限）：内存 GB"),
    "web_gb": ("web server: GB of memory", "Web 服务器：内存 GB"),
    "valkey_gb": ("Valkey: GB", "Valkey：GB"),
    "postgres_gb": ("PostgreSQL: GB of disk", "PostgreSQL：磁盘 GB"),
    "warehouse_gb": ("warehouse: GB", "数据仓库：GB"),
    "model_gb": ("models: GB", "模型：GB"),
}  # fmt: skip
PART_NAMES = {
    "web": ("web servers", "Web 服务器"),
    "processing": ("processing", "事件处理"),
    "postgres": ("PostgreSQL", "PostgreSQL"),
    "valkey": ("Valkey", "Valkey"),
    "refresh": ("refresh", "刷新"),
    "training": ("training", "训练"),
    "night": ("nightly jobs together", "夜间任务合计"),
    "warehouse": ("warehouse", "数据仓库"),
}
BEYOND = {
    "web": "在代理后增加 Web 服务器；每台都会把模型载入内存",
    "processing": "最忙的一小时内单个处理循环已达上限；会产生积压，随后消化",
    "postgres": "缩短事件的保存期限，或用更大的机器",
    "valkey": "为 Valkey 换用更大的机器；不支持 Valkey Cluster",
    "refresh": "在 Spark 上计算购买历史（WAREHOUSE_ENGINE=spark），或用更大的机器",
    "training": "在更大的机器上调高 TRAINING_MEMORY_MB、缩短训练所用的历史，或使用 Spark",
    "night": "这些任务合计超过六小时；见刷新和训练",
    "warehouse": "使用网络目录（WAREHOUSE_URL）",
}
TOTAL_NAMES = {
    "cpu_s": ("CPU seconds of all steps", "所有步骤的CPU 秒"),
    "postgres_bytes": ("bytes in PostgreSQL", "PostgreSQL 的字节数"),
    "valkey_bytes": ("bytes in Valkey", "Valkey 的字节数"),
    "warehouse_bytes": ("bytes in the warehouse", "数据仓库的字节数"),
    "memory_mb": ("MB of memory, all processes", "所有进程的内存 MB"),
    "request_us": ("µs per recommendation", "每次推荐的微秒数"),
    "import_cpu_s": ("CPU seconds of the import", "导入的CPU 秒"),
    "export_cpu_s": ("CPU seconds of the export", "导出的CPU 秒"),
    "training_cpu_s": ("CPU seconds of one fit of every algorithm", "每种算法拟合一次的CPU 秒"),
    "refresh_mb": ("MB of memory, refresh", "刷新的内存 MB"),
    "training_mb": ("MB of memory, one fit of every algorithm", "每种算法拟合一次的内存 MB"),
}


def write_docs(costs: Mapping[str, Any], folder: Path) -> None:
    """Replace the marked tables in both files. Errors: ValueError names a file without a mark."""
    for name, language in DOCS_FILES.items():
        path = folder / name
        content = path.read_text(encoding="utf-8")
        for mark, make in TABLES.items():
            begin, end = f"<!-- {mark} -->", f"<!-- end {mark} -->"
            if begin not in content or end not in content:
                raise ValueError(f"{path} has no {begin} … {end}")
            text = MARK.format(name=mark, text=make(costs, language))
            before, after = content[: content.index(begin)], content[content.index(end) + len(end) :]
            content = before + text + after
        path.write_text(content, encoding="utf-8")


def describe_source(costs: Mapping[str, Any], language: int) -> str:
    shops = [shop["customers"] for shop in costs["shops"] if "import_events" in shop]
    refreshed = max(shop["customers"] for shop in costs["shops"])
    trained = costs["large"]["stages"]["fit"]["interactions"] if "large" in costs else 0
    added = (f", training with {trained:,} interactions", f"，训练另测 {trained:,} 次交互") if trained else ("", "")
    texts = (
        f"Measured on {costs['date']} on {costs['machine']}, load average {costs['load_average']}, "
        f"shops of {min(shops):,} to {max(shops):,} customers; the refresh also with {refreshed:,} customers without events{added[0]}.",
        f"测于 {costs['date']}，机器 {costs['machine']}，平均负载 {costs['load_average']}，店铺规模 {min(shops):,} 至 {max(shops):,} 位客户；"
        f"刷新另测 {refreshed:,} 位客户（不含事件）{added[1]}。",
    )
    return texts[language]


def make_cost_table(costs: Mapping[str, Any], language: int) -> str:
    rows = [describe_source(costs, language), "", COST_HEADER[language]]
    for *names, cost, factor, unit in COST_ROWS:
        parts = dict(costs["costs"][cost])
        fixed = parts.pop("fixed")
        grows = [
            f"{format_quantity(value * factor, unit)} / {SIZE_NAMES[size][language]}"
            for size, value in parts.items()
            if value > 0
        ]
        rows.append(f"| {names[language]} | {format_quantity(fixed * factor, unit)} | {', '.join(grows) or '–'} |")
    return "\n".join(rows)


def format_quantity(value: float, unit: str) -> str:
    """Return a number of microseconds or bytes with three digits, in a larger unit where there is one."""
    steps = {"µs": ((1e6, "s"), (1e3, "ms"), (1, "µs")), "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))}[unit]
    for size, name in steps:
        if value >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:.2g} {unit}" if value else "0"


def make_growth_table(costs: Mapping[str, Any], language: int) -> str:
    growth = costs["growth"]
    picture = (
        "![Cost against size, both logarithmic](images/capacity-growth.svg)",
        "![成本与规模，双对数](images/capacity-growth.zh-hans.svg)",
    )[language]
    header = (
        "| | CPU seconds at each size | exponent | net |",
        "| | 各规模的CPU 秒 | 指数 | 净指数 |",
    )[language]
    rows = [picture, "", header, "|---|---|---|---|"]
    for name, cost in growth["costs"].items():
        values = " · ".join(format_number(value) for value in cost["values"][1:])
        net = growth.get(f"{name}_net_exponent")
        rows.append(
            f"| {GROWTH_NAMES[name][language]} | {values} | {growth[f'{name}_exponent']} | {'–' if net is None else net} |"
        )
    return "\n".join(rows)


def make_size_table(costs: Mapping[str, Any], language: int) -> str:
    rows = [predict_needs(costs["costs"], ShopNumbers.of_customers(customers), None) for customers in TABLE_CUSTOMERS]
    title = ("customers", "客户")[language]
    lines = [f"| {title} | " + " | ".join(f"{row['customers']:,.0f}" for row in rows) + " |", "|---" * 5 + "|"]
    lines += [
        f"| {texts[language]} | " + " | ".join(format_number(row[name]) for row in rows) + " |"
        for name, texts in NEED_NAMES.items()
    ]
    machine = MachineSize(16, 64, 2_000)
    lines += [
        "",
        (
            "| part | one machine of 16 cores, 64 GB, 2 TB is enough up to | beyond that |",
            "| 部分 | 一台 16 核、64 GB、2 TB 的机器可支撑到 | 超过后 |",
        )[language],
        "|---|---|---|",
    ]  # fmt: skip
    for part in PARTS:
        limit = find_limit(costs["costs"], part, machine)
        lines.append(
            f"| {PART_NAMES[part.name][language]} | {describe_limit(limit, language)} | {(part.beyond, BEYOND[part.name])[language]} |"
        )
    return "\n".join(lines)


def make_partition_table(costs: Mapping[str, Any], language: int) -> str:
    """Return the bytes of an event at the largest measured shop, with its indexes, and those of a billion events."""
    shops = [shop for shop in costs["shops"] if "sizes" in shop]
    shop = max(shops, key=lambda measured: float(measured["sizes"]["events_stored"]))
    sizes = shop["sizes"]
    events = sizes["events_stored"]
    whole, index = sizes["postgres_events_bytes"] / events, sizes["postgres_events_index_bytes"] / events
    parquet = costs["costs"]["warehouse_bytes"]["events"]
    texts = (
        f"At {events:,} events, one takes {whole:,.0f} bytes in PostgreSQL with its receipt, {index:,.0f} of them in indexes, and "
        f"{parquet:,.0f} bytes in the warehouse. "
        f"10⁹ events would take {whole:,.0f} GB, {index:,.0f} GB of it indexes, and {parquet:,.0f} GB of Parquet.",
        f"{events:,} 个事件时，每个事件（含回执）在 PostgreSQL 中占 {whole:,.0f} 字节，其中索引 {index:,.0f} 字节，"
        f"在数据仓库中占 {parquet:,.0f} 字节。"
        f"10⁹ 个事件约占 {whole:,.0f} GB，其中索引 {index:,.0f} GB，Parquet {parquet:,.0f} GB。",
    )  # fmt: skip
    return texts[language]


def make_large_table(costs: Mapping[str, Any], language: int) -> str:
    large = costs.get("large")
    if not large:
        return ("No run is recorded in the file of costs yet.", "成本文件中尚无运行记录。")[language]
    speeds = ("load_s", "refresh_s", "train_s", "requests_per_s")
    names = ["events", "customers", "products", *speeds, "peak_mb", "postgres_mb", "warehouse_mb", "valkey_mb"]
    lines = [large["date"], "", "| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    lines.append("| " + " | ".join(format_number(large[name]) for name in names) + " |")
    return "\n".join(lines)


def make_check_table(costs: Mapping[str, Any], language: int) -> str:
    check = costs.get("check")
    if not check:
        return ("No check is recorded in the file of costs yet.", "成本文件中尚无核对记录。")[language]
    header = ("| customers | what | predicted | measured | error |", "| 客户 | 项目 | 预测 | 实测 | 误差 |")[language]
    lines = [header, "|---|---|---|---|---|"]
    shops = [(shop["customers"], shop) for shop in check["shops"]]
    compared = compare_large_shop(costs)
    if compared:
        shops.append((costs["large"]["customers"], compared))
    for customers, totals in shops:
        lines += [
            f"| {customers:,} | {texts[language]} | {format_number(totals[name]['predicted'])} | "
            f"{format_number(totals[name]['measured'])} | {totals[name]['error']:+.0%} |"
            for name, texts in TOTAL_NAMES.items()
            if name in totals
        ]
    worst = max([check["worst_error"], *(abs(figures["error"]) for figures in compared.values())])
    texts = (
        f"\nLargest error: {worst:.0%}; allowed: {MAX_ERROR:.0%}.",
        f"\n最大误差 {worst:.0%}，允许 {MAX_ERROR:.0%}。",
    )
    return "\n".join(lines) + "\n" + texts[language]


TABLES = {
    "costs": make_cost_table,
    "growth": make_growth_table,
    "sizes": make_size_table,
    "partitions": make_partition_table,
    "large": make_large_table,
    "check": make_check_table,
}
