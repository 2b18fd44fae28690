// Menus of the header, scrolling tabs and tables, and the custom dates of the date-range picker.
"use strict";

(() => {
  const closeMenus = (except) => {
    document.querySelectorAll("details.menu[open]").forEach((menu) => { if (menu !== except) menu.open = false; });
  };

  document.addEventListener("click", (event) => closeMenus(event.target.closest?.("details.menu")));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector("details.menu[open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
  });

  // Tables that scroll sideways can be scrolled by keyboard.
  const focusScrollable = () => {
    document.querySelectorAll(".home-table, .table-scroll").forEach((table) => {
      if (table.scrollWidth > table.clientWidth) table.tabIndex = 0;
    });
  };
  document.addEventListener("DOMContentLoaded", focusScrollable);
  document.addEventListener("htmx:afterSettle", focusScrollable);
  window.addEventListener("resize", focusScrollable);

  // On a narrow screen, the tab of the page may be beyond the edge. Only the tabs scroll: `scrollIntoView` would also scroll the page.
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".page-tabs [aria-current]").forEach((tab) => {
      const tabs = tab.closest(".page-tabs");
      tabs.scrollLeft += tab.getBoundingClientRect().right - tabs.getBoundingClientRect().right + 24;
    });
  });

  document.addEventListener("change", (event) => {
    const form = event.target.closest?.("[data-date-range]");
    if (!form || event.target.name !== "range") return;
    const isCustom = event.target.value === "custom";
    const custom = form.querySelector(".date-custom");
    custom.hidden = !isCustom;
    custom.querySelectorAll("input").forEach((input) => { input.disabled = !isCustom; });
    if (isCustom) custom.querySelector("input").focus();
  });
})();
